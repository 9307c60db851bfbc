// Talks to the desk. A conversation begins with the first message and is kept for this tab, so
// that it goes on from page to page. A message is sent again, with the same key, until the desk
// has it: the desk does it once. After a person has taken over, what they say comes by WebSocket,
// or by asking every few seconds where there is none.

const TRIES = 6;
const ASK_MS = 5000;
const LATER = new Set([429, 500, 502, 503, 504]);

export class Client {
  /** on: {turn(turn), waiting(), anew()}, called when there is something to show. */
  constructor(base, { identity, language }, on) {
    this.base = base;
    this.identity = identity;
    this.language = language;
    this.on = on;
    this.place = `desk:${base}:${subject(identity)}`;
    this.kept = read(this.place);
  }

  /** Everything that was said before on this tab. */
  async earlier() {
    if (!this.kept.token) return [];
    const response = await this.#fetch(this.#path("turns"), {});
    if (response.status === 401) {
      this.#keep({});
      return [];
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { turns, next } = await response.json();
    this.#keep({ ...this.kept, seen: next });
    if (this.kept.handed || turns.some((turn) => turn.said_by === "agent")) this.listen();
    return turns;
  }

  /** The desk's reply to a text. Throws where it could not be had; then send again with `key`. */
  async say(text, key = newKey()) {
    for (let number = 0; ; number++) {
      const response = await this.#tried(text, key);
      if (response?.ok) {
        const reply = await response.json();
        this.#keep({ ...this.kept, handed: this.kept.handed || Boolean(reply.handed) });
        if (this.kept.handed) this.listen();
        return reply;
      }
      if (response?.status === 401 && this.kept.token) {
        this.#keep({});
        this.on.anew();
        continue;
      }
      const worth = !response || LATER.has(response.status);
      if (!worth || number + 1 >= TRIES) throw Object.assign(new Error("not sent"), { key });
      if (!response) this.on.waiting();
      const wait = Number(response?.headers.get("retry-after")) || 2 ** number / 2;
      await new Promise((go) => setTimeout(go, 1000 * Math.min(wait, 15)));
    }
  }

  /** Hear what persons say from now on. */
  async listen() {
    if (this.listening) return;
    this.listening = true;
    for (let wait = ASK_MS; this.listening; wait = ASK_MS) {
      if (await this.#live()) wait = 500; // it was open for a while: try it again soon
      await this.#catchUp();
      await new Promise((go) => setTimeout(go, wait));
    }
  }

  /** Resolves when the WebSocket has closed, to whether it had been open. */
  #live() {
    return new Promise((done) => {
      const url = this.#path("live");
      url.protocol = url.protocol.replace("http", "ws");
      let opened = false;
      let socket;
      try {
        socket = new WebSocket(url, ["desk", `desk.token.${this.kept.token}`]);
      } catch {
        done(false);
        return;
      }
      socket.onopen = () => {
        opened = true;
        this.#catchUp();
      };
      socket.onmessage = ({ data }) => {
        const said = JSON.parse(data);
        if (said.type === "turn") this.#catchUp();
      };
      socket.onclose = () => done(opened);
    });
  }

  /** Show what persons said since the last look. One look at a time: nothing is shown twice. */
  #catchUp() {
    this.looking = (this.looking ?? Promise.resolve()).then(async () => {
      try {
        const response = await this.#fetch(this.#path("turns", this.kept.seen ?? 0), {});
        if (response.status === 401) this.listening = false; // the conversation has ended
        if (!response.ok) return;
        const { turns, next } = await response.json();
        this.#keep({ ...this.kept, seen: next });
        for (const turn of turns) if (turn.said_by === "agent") this.on.turn(turn);
      } catch {
        // No connection: the next look shows it.
      }
    });
    return this.looking;
  }

  /** A response, or null where there is no connection. */
  async #tried(text, key) {
    try {
      if (!this.kept.token) {
        const begun = await this.#begin();
        if (!begun.ok) return begun;
        const { conversation, token } = await begun.json();
        this.#keep({ conversation, token, seen: 0 });
      }
      return await this.#fetch(this.#path("messages"), { key, text, language: this.language });
    } catch {
      return null;
    }
  }

  async #begin() {
    const body = { language: this.language };
    const bare = await this.#post("v1/conversations", {
      ...body,
      ...(this.identity ? { identity: this.identity } : {}),
    });
    // A token of the shop that has expired: the customer is helped as one whom nobody knows.
    return bare.status === 401 && this.identity ? this.#post("v1/conversations", body) : bare;
  }

  #post(path, body) {
    const headers = { "content-type": "application/json" };
    const url = new URL(path, this.base);
    return fetch(url, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
  }

  #fetch(url, body) {
    const headers = { authorization: `Bearer ${this.kept.token}` };
    if (!body.key) return fetch(url, { headers, credentials: "omit" });
    headers["content-type"] = "application/json";
    return fetch(url, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
  }

  #path(name, after) {
    const one = `v1/conversations/${encodeURIComponent(this.kept.conversation)}/${name}`;
    return new URL(after === undefined ? one : `${one}?after=${after}`, this.base);
  }

  #keep(kept) {
    this.kept = kept;
    try {
      sessionStorage.setItem(this.place, JSON.stringify(kept));
    } catch {
      // Storage is off: the conversation lasts as long as the page.
    }
  }
}

function read(place) {
  try {
    return JSON.parse(sessionStorage.getItem(place)) ?? {};
  } catch {
    return {};
  }
}

export function newKey() {
  // Not randomUUID, which pages without TLS lack.
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}

/** Whose conversation it is: another customer on the same tab gets another. The desk checks. */
function subject(identity) {
  try {
    const body = identity.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return String(JSON.parse(atob(body)).sub);
  } catch {
    return "";
  }
}
