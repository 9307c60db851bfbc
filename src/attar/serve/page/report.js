// The sealed report: its page in a frame, and in tables what the model gets wrong.

import { ask, of, request } from "./client.js";
import { apart, byId, count, make, percent, show, table } from "./dom.js";
import { marked } from "./spans.js";

const WEAKEST = 8;
let address = null;

/** Show what the report says of a model. current(): whether this model is still chosen. */
export async function prepare(model, about, current) {
  if (address !== null) URL.revokeObjectURL(address);
  address = null;
  const button = byId("show-report");
  for (const link of [byId("open-report"), byId("save-report")]) show(link, false);
  show(button, about.report);
  button.textContent = "Show the whole report";
  byId("frame").replaceChildren();
  byId("weak").replaceChildren();
  const note = byId("report-note");
  if (!about.report) {
    note.textContent = "This bundle holds no report: it is a draft, not a finished build.";
    return;
  }
  note.textContent = "";
  const { report } = await ask(of(model, "v1/models/", "/report"));
  if (!current()) return;
  note.textContent = summary(report);
  byId("weak").replaceChildren(...weaknesses(report, about));
}

/** Fetch the page of the report and show it, or hide it again. */
export async function toggle(model) {
  const button = byId("show-report");
  const place = byId("frame");
  if (place.firstChild) {
    place.replaceChildren();
    button.textContent = "Show the whole report";
    return;
  }
  if (address === null) {
    const response = await request(of(model, "page/report/"), { accept: "text/html" });
    // Through a blob, because a frame's own request would bring no key.
    address = URL.createObjectURL(new Blob([await response.text()], { type: "text/html" }));
  }
  const open = byId("open-report");
  const save = byId("save-report");
  open.href = address;
  save.href = address;
  save.download = `${model}-report.html`;
  show(open);
  show(save);
  place.replaceChildren(make("iframe", { src: address, title: `Report of ${model}`, sandbox: true }));
  button.textContent = "Hide the report";
}

function summary(report) {
  const rows = report.certify_rows;
  const { exact, accuracy, subset_accuracy: sets } = report.metrics ?? {};
  const { recall_at_1: first, rouge1, rougeL } = report.metrics ?? {};
  const right = exact ?? accuracy ?? sets ?? first; // of label and spans, where there are any
  if (rouge1 !== undefined && rows !== undefined) {
    return `ROUGE-1 ${percent(rouge1)} and ROUGE-L ${percent(rougeL)} on ${count(rows)} rows that nothing was chosen on.`;
  }
  const what = first === undefined ? "right" : "of first documents right";
  if (right === undefined || rows === undefined) return "";
  return `${percent(right)} ${what} on ${count(rows)} rows that nothing was chosen on.`;
}

/** Gold and given spans in the text, where the report has them. */
function wrong(errors, about) {
  const marks = errors.some((row) => row.marked);
  const rows = errors.map((row) => {
    const [gold, given] = row.marked
      ? [row.marked.gold, row.marked.given].map((one) => whole(row.text, one, about))
      : [apart(row.gold), apart(row.label)];
    return [...(marks ? [] : [row.text]), gold, given, percent(row.score)];
  });
  const head = [...(marks ? [] : ["text"]), "right answer", "answered", "score"];
  return rows.length ? table("Wrong answers, the surest first", head, rows, "texts") : null;
}

function whole(text, { label, spans }, about) {
  const name = label === null ? [] : [make("strong", {}, apart(label))];
  return make("div", {}, ...name, marked(text, spans, about.span_labels));
}

function weaknesses(report, about) {
  const found = [];
  const errors = wrong(report.errors ?? [], about);
  if (errors) found.push(errors);
  const worst = (report.worst ?? []).map((row) => [row.text, row.gold, row.label, percent(row.grade)]);
  if (worst.length) {
    found.push(table("The worst answers", ["text", "right answer", "answered", "ROUGE, mean"], worst, "texts"));
  }
  const pairs = (report.confusions ?? []).map((row) => [
    apart(row.gold),
    apart(row.named),
    `${count(row.rows)} of ${count(row.of)}`,
  ]);
  if (pairs.length) {
    const head = ["right label", "answered instead", "rows"];
    found.push(table("The most frequent wrong answers", head, pairs));
  }
  const slices = (report.slices ?? [])
    .filter((row) => row.name !== "as written")
    .sort((one, other) => one.accuracy - other.accuracy)
    .slice(0, WEAKEST)
    .map((row) => [
      apart(`${row.kind}: ${row.name}`),
      percent(row.accuracy),
      `${percent(row.lower)} to ${percent(row.upper)}`,
      count(row.rows),
    ]);
  if (slices.length) {
    found.push(table("Where it is weakest", ["slice", "right", "95% interval", "rows"], slices));
  }
  if (found.length) found.unshift(make("h3", {}, "What it gets wrong, on the certify split"));
  return found;
}
