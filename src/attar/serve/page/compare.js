// The model and the large model behind it, side by side on one text.

import { inText, inWords, namesIn } from "./answer.js";
import { ask, of } from "./client.js";
import { apart, byId, counted, dollars, make, milliseconds, show } from "./dom.js";
import { passageOf, saying } from "./ranking.js";

const HOW = "attar serve --fallback URL --fallback-model NAME";
const HOW_MARKED = "Quotes found again in the text.";
const IN_OWN_WORDS = "In words of its own: it knows no documents of the model’s.";
const SUMMARIZED = "In words of its own.";

export function prepare(about) {
  const note = byId("both-note");
  show(byId("ask-both"), about.fallback !== null);
  byId("compared").replaceChildren();
  if (about.fallback === null) {
    note.replaceChildren(
      "No large model is set to compare with. Start the server with one: ",
      make("code", {}, HOW),
    );
  } else {
    note.replaceChildren(
      "Asks this model and ",
      apart(about.fallback),
      " for the text above, whether the model abstains or not. The large model’s answer is paid for.",
    );
  }
}

export async function compare(model, text, about, words = null) {
  const button = byId("ask-both");
  const place = byId("compared");
  button.disabled = true;
  place.replaceChildren(make("p", { class: "note" }, "Asking both…"));
  try {
    const found = await ask(of(model, "page/compare/"), { body: { text, words } });
    place.replaceChildren(...drawn(found, model, about, text));
  } catch (error) {
    place.replaceChildren(make("p", { class: "notice" }, error.message));
  } finally {
    button.disabled = false;
  }
}

function drawn(found, model, about, text) {
  const { title, words } = inWords(found.model, about, text);
  const { label, note } = found.fallback;
  const price = found.fallback_usd;
  const free = "not known: set input_usd and output_usd in the table [fallback]";
  const named = label !== null && about.sets ? namesIn(label).join(", ") || "No label" : label;
  const marks = found.fallback.spans;
  const calls = found.fallback.calls?.map((call) => call.name);
  const freely = found.fallback.text !== undefined;
  const how = freely ? (about.sections.length ? SUMMARIZED : IN_OWN_WORDS) : marks ? HOW_MARKED : "Chosen among the model’s labels.";
  const theirs = freely ? "Its answer" : calls ? calls.join(", ") || "No call" : named ?? (marks ? counted(marks.length, "span") : "No answer");
  const both = make(
    "div",
    { class: "two" },
    side(model, title === null ? "Abstains" : title.join(", ") || "No label", words, {
      time: milliseconds(found.model_ms),
      cost: `${dollars(1e6 * found.model_usd)} a million, for a rented machine’s time at full use`,
    }, ofModel(found.model, about, text)),
    side(about.fallback, theirs, note ?? how, {
      time: milliseconds(found.fallback_ms),
      cost: price === null ? free : `${dollars(1e6 * price)} a million, ${dollars(price)} for this`,
    }, inText(found.fallback, about, text)),
  );
  const times = [];
  if (found.model_ms > 0) times.push(`${ratio(found.fallback_ms / found.model_ms)} the time`);
  if (price > 0 && found.model_usd > 0) times.push(`${ratio(price / found.model_usd)} the cost`);
  return [both, make("p", { class: "note" }, `The large model took ${times.join(" and ")}.`)];
}

function ofModel(answer, about, text) {
  if (!answer.documents) return inText(answer, about, text);
  return answer.abstained ? [] : [saying(passageOf(answer.documents[0]))];
}

const ratio = (value) => `${Number(value.toPrecision(2)).toLocaleString("en-US")} times`;

function side(name, title, words, { time, cost }, marks) {
  const fact = (term, value) => [make("dt", {}, term), make("dd", {}, value)];
  return make(
    "div",
    { class: "card" },
    make("h3", {}, apart(name)),
    make("p", { class: "title", dir: "auto" }, apart(title)),
    make("p", { class: "words" }, words),
    ...marks,
    make("dl", {}, ...fact("Time", time), ...fact("Cost", cost)),
  );
}
