// What the page asks of its server: JSON over HTTP with the key, and errors with their message.

const BASE = new URL("..", import.meta.url);
const STORED = "attar.key";
let key = null;
try {
  key = sessionStorage.getItem(STORED);
} catch {
  // Storage may be forbidden; the key then lasts as long as the page.
}

export class ServerError extends Error {
  constructor(status, code, message, wait) {
    super(message);
    Object.assign(this, { status, code, wait });
  }
}

export const hasKey = () => key !== null;

export function setKey(value) {
  key = value || null;
  try {
    if (key === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, key);
  } catch {
    // As above.
  }
}

/** A response that is all right. Throws ServerError; wait: seconds that the server asks for. */
export async function request(path, { body, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(path, BASE), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "unreachable", "the server cannot be reached");
  }
  if (response.ok) return response;
  const found = await response.json().catch(() => null);
  throw new ServerError(
    response.status,
    found?.error?.code ?? "unknown",
    found?.error?.message ?? `the server answered ${response.status}`,
    Number(response.headers.get("Retry-After")) || null,
  );
}

export const ask = async (path, options) => (await request(path, options)).json();

/** The address of a route of a model, whatever letters its name has. */
export const of = (model, before, after = "") => `${before}${encodeURIComponent(model)}${after}`;

/** A WebSocket, the key named as a subprotocol because a browser sends no headers with it. */
export function openStream(model) {
  const url = new URL(`v1/stream?model=${encodeURIComponent(model)}`, BASE);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url, key === null ? [] : [`attar.key.${key}`]);
}

export const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
