// What of an answer stands in a file and in its table, by what the model gives.

import { namesOf } from "./answer.js";
import { apart, counted, percent } from "./dom.js";
import { called, passageOf } from "./ranking.js";
import { marked } from "./spans.js";
import { sectionTexts } from "./summary.js";

const LAST = ["score", "abstained", "answered_by"];
const marks = (about) => about.span_labels.length > 0 || about.functions.length > 0;
const several = (about) => (about.sections.length > 1 ? about.sections : []);

/** The names of the columns that an answer adds to a file. */
export function columns(about) {
  if (about.documents !== null) return ["document", "title", "passage", "documents", ...LAST];
  if (about.sections.length) return ["summary", ...several(about), "sentences", ...LAST];
  return marks(about) ? ["label", "spans", "calls", ...LAST] : ["label", ...LAST];
}

/** The cells of these columns; empty ones for a text without an answer. */
export function cells(answer, about) {
  if (!answer) return columns(about).map(() => "");
  return [...first(answer, about), String(answer.score), String(answer.abstained), answer.answered_by];
}

function first(answer, about) {
  if (answer.documents) {
    const [best] = answer.documents;
    const near = JSON.stringify(answer.documents.map(({ id, score }) => ({ id, score })));
    if (answer.text) return ["", "", answer.text, near];
    return best ? [best.id, best.title, passageOf(best), near] : ["", "", "", near];
  }
  if (answer.sentences) {
    const texts = several(about).length ? sectionTexts(answer, about.sections) : [];
    return [answer.summary, ...texts, JSON.stringify(answer.sentences)];
  }
  const label = answer.labels ? JSON.stringify(namesOf(answer)) : (answer.label ?? "");
  if (!marks(about)) return [label];
  return [label, ...[answer.spans, answer.calls].map((one) => (one ? JSON.stringify(one) : ""))];
}

/** The head of the table that shows answers, and a row of it. */
export function head(about) {
  const what = about.documents !== null ? "document" : about.sections.length ? "summary" : "label";
  return ["text", what, "score", "abstained", "answered by"];
}

export function shown(answer, text, about) {
  const last = [percent(answer.score), answer.abstained ? "yes" : "no", answer.answered_by];
  return [answer.spans ? marked(text, answer.spans, about.span_labels) : text, said(answer), ...last];
}

function said(answer) {
  if (answer.text) return answer.text;
  if (answer.documents) return answer.documents.length ? apart(called(answer.documents[0])) : "no document";
  if (answer.sentences) return answer.summary || "no sentence";
  const nothing = answer.calls ? "no call" : answer.spans ? counted(answer.spans.length, "span") : "no label";
  return apart(namesOf(answer).join(", ") || nothing);
}
