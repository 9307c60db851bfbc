// A summary beside its document: each of its sentences and the place that it comes from are linked.

import { apart, counted, make } from "./dom.js";
import { hue, marked } from "./spans.js";

const HINTS = {
  said: "Leads to its place in the document.",
  place: "Leads to its place in the summary.",
};
let drawings = 0; // so that two summaries on a page have names of their own

const textOf = (sentence) => sentence.text.trim().split(/\s+/).filter(Boolean);

/** {title, words}, as of any answer. */
export function inWords({ sentences }, text) {
  const words = sentences.reduce((sum, one) => sum + textOf(one).length, 0);
  const all = text.trim().split(/\s+/).filter(Boolean).length;
  const title = [sentences.length ? counted(words, "word") : "No sentence"];
  return { title, words: `${counted(sentences.length, "sentence")} of the document, ${counted(words, "word")} of ${all.toLocaleString("en-US")}.` };
}

/** The summary, by section where the model knows several, and the document beside it. */
export function beside(answer, text, sections) {
  drawings += 1;
  const pairs = answer.sentences.map((sentence, at) => pair(sentence, `${drawings}-${at}`));
  const links = new Map(pairs.map(({ sentence, place }) => [sentence.start, place]));
  const spans = answer.sentences.map(({ start, end, section }) => ({ start, end, label: section }));
  const whole = marked(text, spans, sections, (part, span, color) => {
    const place = links.get(span.start);
    place.append(part);
    return make("mark", { class: color }, place);
  });
  const pane = make("div", { class: "document", tabindex: "0", role: "region", "aria-label": "The document" }, whole);
  for (const each of pairs) connect(each, pane);
  const hints = Object.entries(HINTS).map(([kind, hint]) =>
    make("p", { id: `${kind}-hint-${drawings}`, hidden: true }, hint),
  );
  return make("div", { class: "beside" }, make("div", { class: "brief" }, ...bySection(pairs, sections)), pane, ...hints);
}

function pair(sentence, name) {
  const link = (kind, other, ...content) =>
    make("a", {
      id: `${kind}-${name}`,
      href: `#${other}-${name}`,
      "aria-describedby": `${kind}-hint-${drawings}`,
    }, ...content);
  return { sentence, said: link("said", "place", sentence.text), place: link("place", "said") };
}

function bySection(pairs, sections) {
  if (!pairs.length) return [make("p", { class: "note" }, "Nothing of it is worth taking over.")];
  const groups = new Map();
  for (const { sentence, said } of pairs) {
    if (!groups.has(sentence.section)) groups.set(sentence.section, []);
    groups.get(sentence.section).push(make("li", { dir: "auto" }, said));
  }
  return [...groups].flatMap(([name, items]) => {
    const list = make("ul", { class: "sentences", "aria-label": sections.length > 1 ? name : "Summary" }, ...items);
    return sections.length > 1 ? [make("h2", {}, make("span", { class: `chip ${hue(name, sections)}` }, apart(name))), list] : [list];
  });
}

/** Either end shows both while it is pointed at or has the focus, and leads to the other. */
function connect({ said, place }, pane) {
  const both = [said, place];
  const mark = (on) => both.forEach((one) => one.classList.toggle("linked", on));
  for (const [one, other] of [both, [place, said]]) {
    const begin = () => {
      mark(true);
      if (one === said) bring(place, pane);
    };
    for (const kind of ["pointerenter", "focus"]) one.addEventListener(kind, begin);
    for (const kind of ["pointerleave", "blur"]) {
      one.addEventListener(kind, () => mark(both.includes(document.activeElement)));
    }
    one.addEventListener("click", (event) => {
      event.preventDefault(); // the address stays as it is
      other.focus();
    });
  }
}

/** Into sight within the document, without moving the page. */
function bring(place, pane) {
  const [inner, outer] = [place, pane].map((one) => one.getBoundingClientRect());
  if (inner.top < outer.top || inner.bottom > outer.bottom) {
    pane.scrollTop += inner.top - outer.top - outer.height / 3;
  }
}

/** Words of an answer's sections, by name; sections without a sentence are empty. */
export function sectionTexts({ sentences }, sections) {
  const said = (name) => sentences.filter(({ section }) => section === name).map(({ text }) => text);
  return sections.map((name) => said(name).join(" "));
}

/** What is typed as a length in words; null where nothing is, or nothing that can be one. */
export function wordsIn(input) {
  const words = Number(input.value);
  return input.value.trim() && input.validity.valid && Number.isInteger(words) ? words : null;
}
