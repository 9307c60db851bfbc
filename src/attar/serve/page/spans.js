// Spans marked in their text, for any answer that has `spans` with start, end and label.

import { apart, counted, make, percent, table } from "./dom.js";

const HUES = 8; // in the style sheet
const CONTEXT = 24; // letters around what is unmarked in a list

/** Offsets count code points, and the letters of a JavaScript text are UTF-16 units. */
export const letters = (text) => Array.from(text);

/** The label's color: its place among the model's labels, so that it stays the same. */
export function hue(label, labels) {
  const at = labels.indexOf(label);
  const number = at >= 0 ? at : letters(label).reduce((sum, one) => sum + one.codePointAt(0), 0);
  return `hue-${number % HUES}`;
}

/** As a mark with its label after it. */
function tagged(part, { label }, color) {
  const kind = make("span", { class: "kind" }, unseen(" ("), apart(label), unseen(")"));
  return make("mark", { class: color }, part, kind);
}

/** The text with each span in it, drawn(part, span, color); spans are in order. */
export function marked(text, spans, labels, drawn = tagged) {
  const all = letters(text);
  const parts = [];
  let at = 0;
  for (const span of spans) {
    const { start, end, label } = span;
    if (start < at) continue; // within another
    parts.push(all.slice(at, start).join(""));
    parts.push(drawn(all.slice(start, end).join(""), span, label === undefined ? "" : hue(label, labels)));
    at = end;
  }
  parts.push(all.slice(at).join(""));
  return make("p", { class: "marked", dir: "auto" }, ...parts);
}

const unseen = (text) => make("span", { class: "unseen" }, text);

/** Which color is which label, and how often it stands there. */
export function legend(spans, labels) {
  const counts = new Map();
  for (const { label } of spans) counts.set(label, (counts.get(label) ?? 0) + 1);
  const items = [...counts].map(([label, count]) =>
    make("li", { class: hue(label, labels) }, apart(label), ` × ${count}`),
  );
  return make("ul", { class: "legend", "aria-label": "Kinds of spans in the text" }, ...items);
}

/** What a span is called where its text stands alone. */
export function named(text, { start, end, label }) {
  return `${shortened(letters(text).slice(start, end))} [${label}]`;
}

function shortened(found) {
  if (found.length <= 2 * CONTEXT) return found.join("");
  return `${found.slice(0, CONTEXT).join("")} … ${found.slice(-CONTEXT).join("")}`;
}

/** All spans in one sentence, to be read aloud. */
export const spansAloud = (text, spans) =>
  spans.length ? `${spans.map((span) => named(text, span)).join("; ")}.` : "No spans.";

export function callsTable(calls) {
  if (!calls.length) return make("p", { class: "note" }, "It calls no function.");
  const rows = calls.map((call) => [
    apart(call.name),
    make("code", {}, JSON.stringify(call.arguments)),
    call.score === undefined ? "–" : percent(call.score), // another's have none
  ]);
  const caption = counted(calls.length, "function call");
  return table(caption, ["function", "arguments", "score"], rows, "calls");
}
