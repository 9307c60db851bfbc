// An answer in words and in bars.

import { apart, counted, make, milliseconds, percent } from "./dom.js";
import * as ranking from "./ranking.js";
import { callsTable, legend, marked, named, spansAloud } from "./spans.js";
import * as summary from "./summary.js";

/** What an answer calls the text, as texts: none, one, a set of labels, or functions called. */
export function namesOf(answer) {
  if (answer.calls) return answer.calls.map((call) => call.name);
  if (!answer.labels) return (answer.label ?? null) === null ? [] : [answer.label];
  // Another's set comes under its one name; the labels beside it are the model's own.
  return answer.label === undefined ? answer.labels.map(([label]) => label) : namesIn(answer.label);
}

/** The labels in the one name of a set, which is a JSON array. */
export const namesIn = (label) => JSON.parse(label);

/** {title, words}: title is a list of labels, or null for an abstention. */
export function inWords(answer, about, text) {
  const score = percent(answer.score);
  const guess = namesOf(answer).join(", ") || (answer.spans ? "marked below" : "no label");
  const limit = about.threshold;
  const under =
    limit !== null && about.threshold_is_score
      ? `its score of ${score} is under the threshold of ${percent(limit)}`
      : "it is not sure enough";
  if (answer.documents) return ranking.inWords(answer, score, under);
  if (answer.sentences) return summary.inWords(answer, text);
  let title = namesOf(answer);
  if (answer.calls && !title.length) title = ["No call"];
  else if (!title.length && answer.spans) title = [counted(answer.spans.length, "span")];
  let words = `The model answers, with a score of ${score}.`;
  if (answer.answered_by === "fallback") {
    words = `The model abstains: ${under}. The fallback answers.`;
  } else if (answer.abstained) {
    title = null;
    words = `The model abstains: ${under}. Its best guess is ${guess}.`;
    if (answer.answered_by === "person") words += " A person was asked.";
  } else if (title.length === 0) {
    words = `The model answers that no label fits, with a score of ${score}.`;
  }
  if (answer.note) words += ` Nobody else answered: ${answer.note}.`;
  return { title, words };
}

/** The same in one sentence, to be read aloud. */
export function aloud(answer, about, text) {
  const { title, words } = inWords(answer, about, text);
  if (answer.documents) return `${title === null ? "" : `${title[0]}. `}${words} ${ranking.aloud(answer)}`;
  if (answer.sentences) return `A summary. ${words}`;
  const spans = answer.spans ? ` ${spansAloud(text, answer.spans)}` : "";
  return `${title === null ? "" : `${title.join(", ") || "no label"}. `}${words}${spans}`;
}

/** latency: in milliseconds, measured in this browser; null leaves it out. */
export function draw(answer, about, latency, text) {
  const { title, words } = inWords(answer, about, text);
  const facts = [`answered by ${answer.answered_by === "nobody" ? "nobody" : `the ${answer.answered_by}`}`];
  if (answer.answered_by === "person") facts[0] = "handed to a person";
  if (latency !== null) facts.push(`${milliseconds(latency)} to this browser and back`);
  const name = title === null ? "Abstains" : title.length ? separated(title) : "No label";
  return [
    make("p", { class: title === null ? "title none" : "title", dir: "auto" }, ...[name].flat()),
    make("p", { class: "words" }, words),
    ...inText(answer, about, text),
    ...(answer.sentences ? [] : [bars(answer, about, text)]),
    ...(answer.documents ? ranking.listed(answer) : []),
    make("p", { class: "note" }, facts.join(" · ")),
  ];
}

/** Spans in the text, calls, a summary beside it, and words of another's own, where the answer
 * has them. */
export function inText(answer, about, text) {
  const parts = [];
  if (answer.text) parts.push(ranking.saying(answer.text));
  if (answer.sentences) parts.push(summary.beside(answer, text, about.sections));
  if (answer.spans) parts.push(marked(text, answer.spans, about.span_labels));
  if (answer.spans?.length) parts.push(legend(answer.spans, about.span_labels));
  if (answer.calls) parts.push(callsTable(answer.calls));
  return parts;
}

function separated(names) {
  return names.flatMap((name, at) => (at ? [", ", apart(name)] : [apart(name)]));
}

function bars(answer, about, text) {
  const limit = about.threshold_is_score ? about.threshold : null;
  const rows = [];
  if (answer.labels) {
    rows.push(["the set as a whole", answer.score, true, limit]);
    for (const [label, score] of answer.labels) rows.push([label, score, true, null]);
  } else if (answer.documents) {
    rows.push(["the first document is right", answer.score, true, limit]);
  } else if (answer.spans) {
    const parts = answer.calls ? "calls and spans" : (answer.label ?? null) === null ? "the spans" : "label and spans";
    const whole = `${parts} as a whole`;
    rows.push([whole, answer.score, true, limit]);
    for (const span of answer.spans) rows.push([named(text, span), span.score, true, null]);
  } else {
    const name = answer.answered_by === "fallback" ? "the model’s best guess" : answer.label;
    rows.push([name, answer.score, true, limit]);
  }
  const other = answer.spans ? "or the label " : "";
  for (const [label, score] of answer.alternatives ?? []) rows.push([other + label, score, false, null]);
  const list = make("ul", { class: "bars", "aria-label": "Scores" });
  for (const [label, score, first, line] of rows) list.append(bar(label, score, first, line));
  if (limit === null) return list;
  const key = make("p", { class: "key note" }, `Line: the threshold, ${percent(limit)}`);
  return make("div", {}, list, key);
}

function bar(label, score, first, limit) {
  const track = make("span", { class: "track", "aria-hidden": "true" });
  const fill = make("span", { class: first ? "fill" : "fill other" });
  fill.style.inlineSize = `${100 * score}%`;
  track.append(fill);
  if (limit !== null) {
    const line = make("span", { class: "line" });
    line.style.insetInlineStart = `${100 * limit}%`;
    track.append(line);
  }
  return make(
    "li",
    {},
    make("span", { class: "name" }, apart(label)),
    track,
    make("span", { class: "number" }, percent(score)),
  );
}
