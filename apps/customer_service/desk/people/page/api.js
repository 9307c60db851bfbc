// Asks the desk with the agent's key, which lives as long as the tab.

import { make } from "/widget/parts.js";

const KEY = "desk-agent-key";

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(`/people/api/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({ error: null }));
  throw new Refused(response.status, error?.code, error?.message ?? `HTTP ${response.status}`);
}

export const get = async (path) => (await ask("GET", path)).json();
export const post = async (path, body = {}) => (await ask("POST", path, body)).json();
export const put = async (path, body) => (await ask("PUT", path, body)).json();

/** Fetch a file with the key, and hand it to the person. */
export async function download(path, name) {
  const link = make("a", { download: name });
  link.href = URL.createObjectURL(await (await ask("GET", path)).blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function status(text) {
  document.getElementById("status").textContent = text;
}

/** Do something for a button; what goes wrong is said. */
export function doing(act) {
  return async (event) => {
    event?.preventDefault();
    status("");
    try {
      await act(event);
    } catch (error) {
      status(error.message);
    }
  };
}

/** Who it is; asks for a key until one is right. */
export async function signedIn() {
  for (;;) {
    if (sessionStorage.getItem(KEY)) {
      try {
        const me = await get("me");
        const out = make("button", { type: "button", onclick: signOut }, "Sign out");
        document.getElementById("who").replaceChildren(`${me.agent} `, out);
        return me;
      } catch (error) {
        if (error.status !== 401) throw error;
        status("That key is not known.");
      }
    }
    await typed();
  }
}

function signOut() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

function typed() {
  return new Promise((resolve) => {
    const key = make("input", { type: "password", required: true, autocomplete: "off", id: "key" });
    const form = make(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          sessionStorage.setItem(KEY, key.value.trim());
          dialog.close();
          dialog.remove();
          resolve();
        },
      },
      make("label", { for: "key" }, "Your API key"),
      key,
      make("button", { class: "first" }, "Sign in"),
    );
    const dialog = make("dialog", { "aria-label": "Sign in", oncancel: (e) => e.preventDefault() }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}
