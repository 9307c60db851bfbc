// What a person says instead of the answer: a label, several, spans of the text, or what
// correct_documents.js has.

import { ask, of } from "./client.js";
import { documentChosen, fillTexts, offerDocuments, offerTexts, textsTyped } from "./correct_documents.js";
import { byId, make, show } from "./dom.js";
import { letters, marked, named } from "./spans.js";

const state = { about: null, kinds: [], text: "", spans: [], changed: false };

/** Offer what this model can answer. */
export function prepare(about) {
  Object.assign(state, { about, text: "", spans: [], changed: false });
  const { labels, sets, functions, span_labels, documents, sections } = about;
  const kinds = functions.length ? [] : span_labels; // calls say what their spans are for
  state.kinds = kinds;
  show(byId("calling"), functions.length > 0);
  byId("calls-label").textContent = `The right calls as JSON, [] for none, of ${functions.join(", ")}`;
  const select = byId("right");
  select.multiple = sets;
  byId("right-label").textContent = sets
    ? "The right labels (none, one or several)"
    : documents !== null
      ? "The right document"
      : kinds.length
        ? "The right label of the whole text"
        : "The right label";
  const options = labels.map((label) => make("option", { value: label }, label));
  if (!sets) options.unshift(make("option", { value: "" }, "Choose…"));
  select.replaceChildren(...options);
  for (const id of ["right", "right-label"]) show(byId(id), labels.length > 0 || documents !== null);
  for (const id of ["right-id", "right-id-label"]) show(byId(id), false);
  byId("right-id").value = "";
  select.onchange = null;
  show(byId("summing"), sections.length > 0);
  offerTexts(sections, () => {
    state.changed = true;
  });
  show(byId("marking"), kinds.length > 0);
  byId("mark-label").replaceChildren(...kinds.map((kind) => make("option", { value: kind }, kind)));
}

/** Whether there is anything that a person could say of an answer of this model. */
export const possible = () =>
  state.about.labels.length + state.kinds.length + state.about.functions.length > 0 ||
  state.about.documents !== null || state.about.sections.length > 0;

/** Begin with an answer. What was marked in the same text already is kept. */
export function begin(answer, text) {
  if (state.changed && state.text === text) return;
  if (state.about.functions.length) {
    const calls = (answer.calls ?? []).map(({ name, arguments: given }) => ({ name, arguments: given }));
    byId("right-calls").value = JSON.stringify(calls, null, 1);
  }
  const kept = state.text === text ? byId("right").value : null;
  Object.assign(state, { text, changed: false });
  if (answer.documents) offerDocuments(answer.documents, state.about.labels, kept);
  if (answer.sentences) fillTexts(answer, state.about.sections);
  if (!state.kinds.length) return;
  const spans = (answer.spans ?? []).map(({ start, end, label }) => ({ start, end, label }));
  state.spans = spans;
  byId("mark-text").value = text;
  byId("right").value = answer.label ?? "";
  drawMarks();
}

/** Send what was chosen; a refused key is the caller's matter. */
export async function save(model, text) {
  const said = byId("corrected");
  let body;
  try {
    body = corrected(text);
  } catch (error) {
    said.textContent = `Not saved: the calls are no JSON (${error.message}).`;
    byId("right-calls").focus();
    return;
  }
  if (body === null) {
    const { documents, sections } = state.about;
    const missing = sections.length ? "Write the right summary" : documents !== null ? "Choose the right document" : "Choose the right label";
    said.textContent = `${missing} first.`;
    (byId("summing").querySelector("textarea") ?? byId("right")).focus();
    return;
  }
  try {
    await ask(of(model, "v1/models/", "/corrections"), { body });
    said.textContent = "Saved for the next build.";
  } catch (error) {
    if (error.status === 401) throw error;
    said.textContent = `Not saved: ${error.message}.`;
  }
}

/** The body of a correction, null where a label is still to be chosen. Throws SyntaxError. */
function corrected(text) {
  const { labels, sets, functions, documents, sections } = state.about;
  const { kinds } = state;
  if (sections.length) {
    const summary = textsTyped(sections);
    return summary === null ? null : { text, summary };
  }
  if (documents !== null) return documentChosen() ? { text, label: documentChosen() } : null;
  if (functions.length) return { text, calls: JSON.parse(byId("right-calls").value) };
  const chosen = [...byId("right").selectedOptions].map((option) => option.value);
  const spans = kinds.length ? { spans: state.spans } : {};
  if (sets) return { text, label: chosen, ...spans };
  if (labels.length && !chosen[0]) return null;
  return { text, ...(labels.length ? { label: chosen[0] } : {}), ...spans };
}

function drawMarks() {
  const { text, spans, about } = state;
  byId("marks").replaceChildren(marked(text, spans, about.span_labels));
  const items = spans.map((span) => {
    const button = make("button", { type: "button", class: "quiet" }, "Remove");
    const name = named(text, span);
    button.setAttribute("aria-label", `Remove ${name}`);
    button.addEventListener("click", () => {
      change(spans.filter((one) => one !== span), `Removed ${name}.`);
      (byId("mark-list").querySelector("button") ?? byId("mark-text")).focus();
    });
    return make("li", {}, make("bdi", {}, name), " ", button);
  });
  byId("mark-list").replaceChildren(...items);
}

function change(spans, said) {
  state.spans = spans.sort((one, other) => one.start - other.start);
  state.changed = true;
  byId("corrected").textContent = said;
  drawMarks();
}

/** Mark what is selected; spans that it touches give way. */
function mark() {
  const box = byId("mark-text");
  const before = box.value.slice(0, box.selectionStart);
  const part = box.value.slice(box.selectionStart, box.selectionEnd);
  if (!part.trim()) {
    byId("corrected").textContent = "Select a part of the text first, with the mouse or Shift and the arrows.";
    box.focus();
    return;
  }
  const start = letters(before + part.slice(0, part.length - part.trimStart().length)).length;
  const end = start + letters(part.trim()).length;
  const span = { start, end, label: byId("mark-label").value };
  const apart = state.spans.filter((one) => one.end <= start || one.start >= end);
  const gone = state.spans.length - apart.length;
  change([...apart, span], `Marked ${named(state.text, span)}${gone ? ", in place of what it overlaps" : ""}.`);
}

byId("right-calls").addEventListener("input", () => {
  state.changed = true;
});
byId("mark-add").addEventListener("click", mark);
byId("mark-text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  mark();
});
// Not "readonly": without a caret nobody selects by the keyboard.
for (const kind of ["beforeinput", "drop", "paste", "cut"]) {
  byId("mark-text").addEventListener(kind, (event) => event.preventDefault());
}
