// A ranking: the documents that answer a query, best first, and where in the best one.

import { apart, counted, make } from "./dom.js";
import { letters, marked } from "./spans.js";

const LONG = 280; // letters; longer texts after the first are folded …
const SHOWN = 100; // … and begin with so many of them

/** What a document is called: its title, or else its id. */
export const called = ({ title, id }) => title || id;

/** The part of a document that answers best, as a text. */
export const passageOf = ({ text, passage }) =>
  passage ? letters(text).slice(...passage).join("") : text;

/** {title, words}, as of any answer. under: why the model abstains, if it does. */
export function inWords(answer, score, under) {
  const [first] = answer.documents;
  if (answer.answered_by === "fallback") {
    return { title: ["Not from the documents"], words: `No document is a good answer: ${under}. The fallback answers in its own words.` };
  }
  if (!answer.abstained) return { title: [called(first)], words: `The first document is right with a likelihood of ${score}.` };
  const asked = answer.answered_by === "person" ? " A person was asked." : "";
  const note = answer.note ? ` Nobody else answered: ${answer.note}.` : "";
  return { title: null, words: `No document is a good answer: ${under}.${asked}${note}` };
}

/** To be read aloud after these words. */
export function aloud(answer) {
  if (answer.answered_by === "fallback") return answer.text;
  return answer.abstained ? "" : passageOf(answer.documents[0]);
}

/** What another says in words of its own. */
export const saying = (text) => make("p", { class: "saying", dir: "auto" }, text);

/** All documents in order, said to be only what is nearest where none is a good answer. */
export function listed({ documents, abstained }) {
  if (!documents.length) return [make("p", { class: "note" }, "There are no documents.")];
  const items = documents.map((found, at) => make("li", {}, ...one(found, at)));
  const list = make("ol", { class: "ranking", "aria-label": counted(items.length, "document") }, ...items);
  return abstained ? [make("p", { class: "note" }, "What is nearest, and no good answer:"), list] : [list];
}

function one({ id, title, text, score, passage }, at) {
  const near = `nearness ${score.toFixed(3)}`;
  const facts = make("p", { class: "note" }, ...(title ? [apart(id), " · "] : []), near);
  const places = passage ? [{ start: passage[0], end: passage[1] }] : [];
  const body = marked(text, places, [], (part) => make("mark", { class: "best" }, part));
  const heading = make("h2", { dir: "auto" }, apart(title || id));
  const all = letters(text);
  if (at === 0 || all.length <= LONG) return [heading, facts, body];
  const begun = `${all.slice(0, SHOWN).join("").trimEnd()}…`;
  return [heading, facts, make("details", {}, make("summary", { dir: "auto" }, begun), body)];
}
