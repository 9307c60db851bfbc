// A whole file: read here, answered in pieces, and written again with the answers beside it.

import { cells, columns, head, shown } from "./columns.js";
import { ask, of, pause } from "./client.js";
import { addedNames, formulas, read, write } from "./csv.js";
import { byId, count, counted, duration, show, table } from "./dom.js";

const CHUNK = 100;
const SHOWN = 10;
const WAIT_S = 1; // after a refusal that names no time
let stopping = null;
let address = null;

export const stop = () => stopping?.abort();

/** Answer the content of a file named `name`, and offer the result. */
export async function run(content, name, model, about, words = null) {
  stop();
  clear();
  let parsed;
  try {
    parsed = read(content);
  } catch (error) {
    say(`This cannot be read as a table: ${error.message}.`);
    return;
  }
  if (parsed.rows.length === 0) {
    say("There is no text in it.");
    return;
  }
  const work = new AbortController();
  stopping = work;
  const answers = new Array(parsed.rows.length);
  let ended = "";
  busy(true);
  say(`Answering ${counted(parsed.rows.length, "text")}.`);
  try {
    await answerAll(parsed, answers, model, about, words, work.signal);
  } catch (error) {
    ended = error.name === "AbortError" ? "Stopped." : `Ended early: ${error.message}.`;
  }
  if (stopping !== work) return; // another file was begun meanwhile
  stopping = null;
  busy(false);
  finish(parsed, answers, name, ended, about);
}

async function answerAll({ rows, column }, answers, model, about, words, signal) {
  const begun = performance.now();
  let size = Math.min(CHUNK, about.limits.texts);
  let waited = 0;
  for (let at = 0; at < rows.length; ) {
    const piece = next(rows, column, at, size, about.limits);
    try {
      if (piece.texts.length) {
        const path = of(model, "v1/predict/");
        const found = await ask(path, { body: { texts: piece.texts, words }, signal });
        piece.places.forEach((place, index) => {
          answers[place] = found.answers[index];
        });
      }
      at = piece.end;
    } catch (error) {
      if (error.status === 429) {
        const seconds = error.wait ?? WAIT_S;
        byId("left").textContent = `The server has enough to do; waiting ${counted(seconds, "second")}.`;
        await pause(seconds, signal);
        waited += 1000 * seconds;
        continue;
      }
      if (error.status === 504 && size > 1) {
        size = Math.ceil(size / 2); // so many do not fit into the server's deadline
        continue;
      }
      throw error;
    }
    progress(at, rows.length, (performance.now() - begun - waited) / 1000);
  }
}

/** The texts of the next request, and where they stand; what no request may bring is left out. */
function next(rows, column, from, size, limits) {
  const texts = [];
  const places = [];
  let bytes = 0;
  let end = from;
  while (end < rows.length && texts.length < size) {
    const text = rows[end][column];
    const weight = 3 * text.length + 64; // at most: UTF-8, and the quotes
    const most = limits.body_bytes / 2;
    if (texts.length && bytes + weight > most) break;
    if (text.length <= limits.characters && weight <= most) {
      texts.push(text);
      places.push(end);
      bytes += weight;
    }
    end += 1;
  }
  return { texts, places, end };
}

function progress(done, all, seconds) {
  byId("done").max = all;
  byId("done").value = done;
  const left = duration((seconds / done) * (all - done));
  byId("left").textContent =
    done < all ? `${count(done)} of ${count(all)}, ${left} left` : `${count(done)} of ${count(all)}`;
}

function finish(parsed, answers, name, ended, about) {
  const wanted = columns(about);
  const added = addedNames(parsed.head, wanted);
  const rows = parsed.rows.map((row, at) => [...row, ...cells(answers[at], about)]);
  const done = answers.filter(Boolean);
  const link = byId("download");
  if (done.length) {
    const content = write([[...parsed.head, ...added], ...rows]);
    address = URL.createObjectURL(new Blob([content], { type: "text/csv;charset=utf-8" }));
    link.href = address;
    link.download = `${name.replace(/\.[^.]*$/, "") || "texts"}-answered.csv`;
  }
  show(link, done.length > 0);
  byId("rows").replaceChildren(...(done.length ? [first(parsed, answers, about)] : []));
  say([ended, told(parsed, done), ...warnings(parsed, done, rows, [added, wanted], ended)].filter(Boolean).join(" "));
}

function told(parsed, done) {
  if (!done.length) return "No text was answered.";
  const refused = done.filter((answer) => answer.abstained).length;
  return `${count(done.length)} of ${counted(parsed.rows.length, "text")} answered; the model abstained from ${count(refused)}.`;
}

function warnings(parsed, done, rows, [added, wanted], ended) {
  const found = [];
  const missing = parsed.rows.length - done.length;
  if (missing && !ended) found.push(`${counted(missing, "text")} too long for this server: those cells are empty.`);
  if (added.join() !== wanted.join()) found.push(`The file has such columns already; the new ones are ${added.join(", ")}.`);
  const unread = parsed.rows.flat().join("").split("\uFFFD").length - 1;
  if (unread) {
    found.push(`${counted(unread, "character")} could not be read: the file is not UTF-8.`);
  }
  const risky = formulas(rows);
  if (risky) {
    found.push(`${counted(risky, "cell")} in the file may run as a formula in a spreadsheet (they begin with =, +, - or @); they are kept as they are.`);
  }
  return found;
}

function first(parsed, answers, about) {
  const rows = [];
  for (let at = 0; at < parsed.rows.length && rows.length < SHOWN; at += 1) {
    const answer = answers[at];
    if (!answer) continue;
    const text = parsed.rows[at][parsed.column];
    rows.push(shown(answer, text, about));
  }
  const caption = rows.length < parsed.rows.length ? `The first ${counted(rows.length, "row")}` : "All rows";
  return table(caption, head(about), rows, "texts");
}

function clear() {
  if (address !== null) URL.revokeObjectURL(address);
  address = null;
  show(byId("download"), false);
  byId("rows").replaceChildren();
}

function busy(on) {
  show(byId("stop"), on);
  byId("run").disabled = on;
  if (on) {
    byId("done").removeAttribute("value");
    byId("left").textContent = "";
  }
  show(byId("progress"), on);
}

const say = (text) => {
  byId("batch-said").textContent = text;
};
