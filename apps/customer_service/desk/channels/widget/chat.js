// The chat: a button that opens a panel with what was said and a field to say more.
//
// It lives in a shadow root, so that the page's styles and its own leave each other alone. Its style
// sheet is constructed, which pages that forbid inline styles allow.

import { Client, newKey } from "./client.js";
import { CROSS, SPEECH, bubble, icon, make, note, source } from "./parts.js";
import { wordsFor } from "./words.js";

const MOST_CHARACTERS = 4000;

export async function start(base, options) {
  const host = make("div", { "data-desk": true });
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [await sheet(new URL("widget/style.css", base))];
  const chat = new Chat(root, base, options);
  document.body.append(host);
  const say = async (text) => {
    await chat.open();
    await chat.say(text);
  };
  return { open: () => chat.open(), close: () => chat.close(), say };
}

async function sheet(url) {
  const response = await fetch(url, { credentials: "omit" });
  return new CSSStyleSheet().replace(await response.text());
}

class Chat {
  constructor(root, base, { language: asked, title, theme, identity }) {
    const { language, words } = wordsFor(asked);
    this.words = words;
    this.draw(root, language, title || words.title, theme);
    this.client = new Client(base, { identity, language }, {
      turn: (turn) => this.add(bubble("agent", words.agent, turn.text)),
      waiting: () => this.state(words.waiting),
      anew: () => this.add(note(words.anew)),
    });
    this.busy = Promise.resolve();
  }

  draw(root, language, title, theme) {
    const { words } = this;
    this.opener = make(
      "button",
      {
        class: "opener", type: "button", "aria-label": words.open, "aria-expanded": "false",
        "aria-controls": "panel", onclick: () => (this.panel.hidden ? this.open() : this.close()),
      },
      icon(SPEECH),
    );
    const close = make(
      "button",
      { class: "close", type: "button", "aria-label": words.close, onclick: () => this.close() },
      icon(CROSS),
    );
    this.log = make("div", {
      class: "log", role: "log", "aria-live": "polite", "aria-label": words.log, tabindex: "0",
    });
    this.suggestions = make("div", {
      class: "suggestions", role: "group", "aria-label": words.suggestions, hidden: true,
    });
    this.status = make("p", { class: "status", role: "status" });
    this.text = make("textarea", {
      id: "text", rows: "1", maxlength: String(MOST_CHARACTERS), "aria-label": words.text,
      placeholder: words.text, enterkeyhint: "send", autocomplete: "off",
      onkeydown: (event) => this.typed(event),
    });
    this.form = make(
      "form",
      { onsubmit: (event) => this.submitted(event) },
      this.text,
      make("button", { class: "send", type: "submit" }, words.send),
    );
    this.panel = make(
      "section",
      {
        id: "panel", role: "dialog", "aria-labelledby": "title", lang: language, hidden: true,
        onkeydown: (event) => event.key === "Escape" && this.close(),
      },
      make("div", { class: "head" }, make("h2", { id: "title" }, title), close),
      this.log, this.suggestions, this.status, this.form,
    );
    const desk = make("div", { class: "chat", "data-theme": theme || "auto" });
    desk.append(this.panel, this.opener);
    root.append(desk);
  }

  async open() {
    this.panel.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    this.text.focus();
    if (this.begun) return;
    this.begun = true;
    try {
      for (const turn of await this.client.earlier()) {
        const by = { customer: "you", desk: "desk", agent: "agent" }[turn.said_by];
        this.add(bubble(by, this.words[by], turn.text));
      }
    } catch {
      this.begun = false; // no connection: shown when it is opened next
    }
  }

  close() {
    this.panel.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.focus();
  }

  typed(event) {
    // An Enter that ends the writing of a sign (Japanese, Chinese) is not one that sends.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submitted(event);
  }

  submitted(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text) return;
    this.text.value = "";
    this.text.focus();
    this.say(text);
  }

  /** One after the other, in the order they were said. */
  say(text) {
    this.suggest([]);
    this.add(bubble("you", this.words.you, text));
    const key = newKey();
    this.busy = this.busy.then(() => this.asked(text, key));
    return this.busy;
  }

  async asked(text, key) {
    this.state(this.words.writing);
    try {
      this.show(await this.client.say(text, key));
    } catch {
      const again = make("button", { type: "button" }, this.words.again);
      const missed = note(`${this.words.unsent} `, again);
      again.addEventListener("click", () => {
        missed.remove();
        this.text.focus();
        this.busy = this.busy.then(() => this.asked(text, key));
      });
      this.add(missed);
    }
    this.state("");
  }

  show(reply) {
    for (const text of reply.texts) this.add(bubble("desk", this.words.desk, text));
    if (reply.source) this.add(source(this.words, reply.source));
    if (reply.handed) this.add(note(this.words.handed));
    this.suggest(reply.suggestions);
  }

  suggest(texts) {
    const buttons = texts.map((text) => {
      const onclick = () => {
        this.text.focus();
        this.say(text);
      };
      return make("button", { type: "button", onclick }, text);
    });
    this.suggestions.replaceChildren(...buttons);
    this.suggestions.hidden = !texts.length;
    this.log.scrollTop = this.log.scrollHeight;
  }

  add(element) {
    this.log.append(element);
    this.log.scrollTop = this.log.scrollHeight;
  }

  state(text) {
    this.status.textContent = text;
  }
}
