// Answers while a text is being typed, over one WebSocket; the newest text is what counts.

import { openStream } from "./client.js";

const TRIES = 3; // connections that never open, after which there are no live answers
const PAUSE_MS = 1000;

export class Live {
  /** answered(answer, text, ms); failed(message); unavailable(): no WebSocket gets through. */
  constructor({ answered, failed, unavailable }) {
    Object.assign(this, { answered, failed, unavailable, socket: null, failures: 0, retry: null });
  }

  /** Begin with another model; what the last one still answers is ignored. */
  choose(model) {
    this.close();
    this.model = model;
    this.failures = 0;
    this.connect();
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.retry);
    this.retry = null;
    socket?.close();
  }

  get usable() {
    return this.failures < TRIES;
  }

  /** final: the answer goes the whole way, to the fallback or a person too. words: how long a
   * summary is to be. */
  send(text, final = false, words = null) {
    this.waiting = { text, final, words };
    if (this.socket === null && this.retry === null) this.connect();
    else if (this.socket?.readyState === WebSocket.OPEN) this.flush();
  }

  /** The text is gone, and so is every answer to it that is still on its way. */
  forget() {
    this.waiting = null;
    this.shown = this.sequence;
  }

  connect() {
    this.retry = null;
    this.sequence = 0;
    this.shown = 0;
    this.sent = new Map();
    if (!this.usable) return;
    let socket;
    try {
      socket = openStream(this.model);
    } catch {
      // A key with letters that no subprotocol may have.
      this.failures = TRIES;
      this.unavailable();
      return;
    }
    this.socket = socket;
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      this.failures = 0;
      if (this.socket === socket) this.flush();
    });
    socket.addEventListener("message", (event) => {
      if (this.socket === socket) this.receive(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (opened) return; // the next text opens another
      this.failures += 1;
      if (this.usable) this.retry = setTimeout(() => this.connect(), PAUSE_MS);
      else this.unavailable();
    });
  }

  flush() {
    if (!this.waiting) return;
    const { text, final, words } = this.waiting;
    this.waiting = null;
    this.sequence += 1;
    this.sent.set(this.sequence, { text, at: performance.now() });
    this.socket.send(JSON.stringify({ text, final, words }));
  }

  receive(answer) {
    if (answer.sequence === undefined) {
      if (answer.error) this.failed(answer.error.message);
      return;
    }
    const sent = this.sent.get(answer.sequence);
    for (const sequence of this.sent.keys()) {
      if (sequence <= answer.sequence) this.sent.delete(sequence);
    }
    if (sent === undefined || answer.sequence <= this.shown) return;
    this.shown = answer.sequence;
    if (answer.error) this.failed(answer.error.message);
    else this.answered(answer, sent.text, performance.now() - sent.at);
  }
}
