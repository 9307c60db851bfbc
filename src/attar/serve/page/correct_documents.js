// What a person says instead of a ranking or a summary: another document, another text.

import { byId, make, show } from "./dom.js";
import { called } from "./ranking.js";
import { sectionTexts } from "./summary.js";

const CHOOSE = ""; // a value that no id has
const ANOTHER = "\n";

/** Offer the documents of an answer, any other by its id, and none where that can be said. kept:
 * what is chosen of the same text already, or null. */
export function offerDocuments(documents, [nothing], kept) {
  const option = (value, text) => make("option", { value }, text);
  const options = [option(CHOOSE, "Choose…")];
  for (const one of documents) {
    options.push(option(one.id, one.title ? `${called(one)} (${one.id})` : one.id));
  }
  options.push(option(ANOTHER, "Another document…"));
  if (nothing !== undefined) options.push(option(nothing, `None of them answers it (${nothing})`));
  const select = byId("right");
  select.replaceChildren(...options);
  select.value = options.some(({ value }) => value === kept) ? kept : CHOOSE;
  select.onchange = askForId;
  askForId();
}

function askForId() {
  const other = byId("right").value === ANOTHER;
  for (const id of ["right-id", "right-id-label"]) show(byId(id), other);
}

/** The id that was chosen or typed; "" where there is none yet. */
export const documentChosen = () =>
  byId("right").value === ANOTHER ? byId("right-id").value.trim() : byId("right").value;

/** A text for each section, empty at first. changed(): told when one is typed in. */
export function offerTexts(sections, changed) {
  const fields = sections.flatMap((name, at) => {
    const label = sections.length > 1 ? `The right summary: ${name}` : "The right summary";
    const field = make("textarea", { id: `right-text-${at}`, rows: 3, dir: "auto", autocomplete: "off" });
    field.addEventListener("input", changed);
    return [make("label", { for: field.id }, label), field];
  });
  byId("summing").replaceChildren(...fields);
}

const fields = () => [...byId("summing").querySelectorAll("textarea")];

/** Begin with what the model took over. */
export function fillTexts(answer, sections) {
  const texts = sectionTexts(answer, sections);
  fields().forEach((field, at) => {
    field.value = texts[at];
  });
}

/** What was typed: a text, or an object of section and text; null where all is empty. */
export function textsTyped(sections) {
  const typed = fields().map((field, at) => [sections[at], field.value.trim()]);
  const said = typed.filter(([, text]) => text);
  if (!said.length) return null;
  return sections.length > 1 ? Object.fromEntries(said) : said[0][1];
}
