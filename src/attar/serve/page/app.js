// The page: asks for the key where one is needed, then ties its parts to the model chosen.

import { aloud, draw } from "./answer.js";
import * as batch from "./batch.js";
import { ask, hasKey, of, setKey } from "./client.js";
import { compare, prepare as prepareComparison } from "./compare.js";
import * as correction from "./correct.js";
import { byId, counted, make, percent, show } from "./dom.js";
import { Live } from "./live.js";
import * as report from "./report.js";
import { wordsIn } from "./summary.js";

const ANSWERS = ["label", "spans", "calls", "ranking", "summary"]; // capabilities that this page can show
const QUIET_MS = 700; // of typing, after which an answer is read aloud
const READ = { query: ["Query", "Type, and watch the documents change"], document: ["Document", "Paste what is to be summarized"],
  text: ["Text", "Type, and watch the answer change"] };
const state = { model: null, about: null, text: "", speaking: null };

const live = new Live({
  answered: showAnswer,
  failed: trouble,
  unavailable: () => {
    byId("ask-note").textContent =
      "Live answers need a WebSocket, which does not get through here. Press Ask.";
  },
});

function trouble(message) {
  const place = byId("trouble");
  place.textContent = message ?? "";
  show(place, Boolean(message));
}

/** Run what a person began; what goes wrong is said at the top of the page. */
const guarded = (action) => async (event) => {
  event?.preventDefault();
  try {
    trouble(null);
    await action(event);
  } catch (error) {
    if (error.status === 401) askForKey(error.code === "wrong_key" ? error.message : null);
    else trouble(error.message);
  }
};

function askForKey(message) {
  live.close();
  setKey(null);
  for (const id of ["page", "choose", "sections", "forget"]) show(byId(id), false);
  show(byId("gate"));
  trouble(message);
  byId("key").focus();
}

async function begin() {
  const { data } = await ask("v1/models");
  const models = data.filter((model) => model.capabilities.some((one) => ANSWERS.includes(one)));
  if (models.length === 0) {
    trouble("No model that is served here answers texts.");
    return;
  }
  byId("model").replaceChildren(...models.map(({ id }) => make("option", { value: id }, id)));
  show(byId("gate"), false);
  for (const id of ["page", "choose", "sections"]) show(byId(id));
  show(byId("forget"), hasKey());
  await choose(models, models[0].id);
  byId("model").onchange = guarded(() => choose(models, byId("model").value));
}

async function choose(models, name) {
  batch.stop();
  state.model = name;
  const about = await ask(of(name, "page/about/"));
  if (state.model !== name) return;
  state.about = about;
  document.title = `${name} – attar`;
  const { labels, span_labels: kinds, functions, size_bytes: size } = models.find(({ id }) => id === name);
  const limit =
    about.threshold === null
      ? "never abstains"
      : about.threshold_is_score
        ? `abstains under a score of ${percent(about.threshold)}`
        : "abstains where it is not sure enough, by another measure than the score";
  const known = [];
  if (about.documents !== null) known.push(counted(about.documents, "document"));
  if (about.sections.length) known.push(counted(about.sections.length, "section"));
  if (functions.length) known.push(counted(functions.length, "function"));
  if (labels.length || !(kinds.length + functions.length + known.length)) known.push(counted(labels.length, "label"));
  if (kinds.length) known.push(counted(kinds.length, "kind of spans", "kinds of spans"));
  byId("facts").textContent = `${known.join(" · ")} · ${(size / 1e6).toFixed(1)} MB · ${limit}`;
  byId("ask-note").textContent = whatAskingDoes(about);
  readsA(about.documents !== null ? "query" : about.sections.length ? "document" : "text");
  forgetAnswer();
  correction.prepare(about);
  prepareComparison(about);
  live.choose(name);
  const text = byId("text").value;
  if (text.trim()) live.send(text, false, words());
  await report.prepare(name, about, () => state.model === name);
}

function readsA(kind) {
  const [name, hint] = READ[kind];
  byId("text-label").textContent = name;
  byId("text").placeholder = hint;
  byId("text").rows = kind === "document" ? 8 : 3;
  show(byId("length"), kind === "document");
}

const words = () => (state.about.sections.length ? wordsIn(byId("words")) : null);

function whatAskingDoes({ on_abstain: follows, capture }) {
  const parts = ["While you type, the model alone answers."];
  if (follows === "fallback") parts.push("Ask also sends what it abstains from to the fallback.");
  if (follows === "person") parts.push("Ask also hands what it abstains from to a person.");
  if (capture) parts.push("What you ask is kept in the capture file.");
  return parts.length > 1 ? parts.join(" ") : "Ctrl+Enter asks, too.";
}

function showAnswer(answer, text, latency) {
  trouble(null);
  state.text = text;
  byId("answer").replaceChildren(...draw(answer, state.about, latency, text));
  correction.begin(answer, text);
  show(byId("correct"), correction.possible());
  clearTimeout(state.speaking);
  state.speaking = setTimeout(() => {
    byId("said").textContent = aloud(answer, state.about, text);
  }, QUIET_MS);
}

function forgetAnswer() {
  clearTimeout(state.speaking);
  byId("said").textContent = "";
  byId("corrected").textContent = "";
  byId("answer").replaceChildren(make("p", { class: "note" }, "The answer will stand here."));
  show(byId("correct"), false);
}

async function askOnce() {
  const text = byId("text").value;
  if (!text.trim()) {
    byId("text").focus();
    return;
  }
  if (live.usable) {
    live.send(text, true, words());
    return;
  }
  const begun = performance.now();
  const { answers } = await ask(of(state.model, "v1/predict/"), { body: { text, words: words() } });
  showAnswer(answers[0], text, performance.now() - begun);
}

async function answerFile(file) {
  byId("paste").value = "";
  await batch.run(await file.text(), file.name, state.model, state.about, words());
}

function listen() {
  const text = byId("text");
  text.addEventListener("input", () => {
    byId("corrected").textContent = "";
    if (text.value.trim()) {
      if (live.usable) live.send(text.value, false, words());
    } else {
      live.forget();
      forgetAnswer();
    }
  });
  byId("words").addEventListener("input", () => {
    if (text.value.trim() && live.usable) live.send(text.value, false, words());
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
  });
  byId("ask").addEventListener("submit", guarded(askOnce));
  byId("correct").addEventListener("submit", guarded(() => correction.save(state.model, state.text)));
  byId("ask-both").addEventListener(
    "click",
    guarded(async () => {
      if (text.value.trim()) await compare(state.model, text.value, state.about, words());
      else text.focus();
    }),
  );
  byId("show-report").addEventListener("click", guarded(() => report.toggle(state.model)));
  byId("run").addEventListener(
    "click",
    guarded(async () => {
      const [file] = byId("upload").files;
      const pasted = byId("paste").value;
      if (pasted.trim() || !file) await batch.run(pasted, "texts", state.model, state.about, words());
      else await answerFile(file);
    }),
  );
  byId("stop").addEventListener("click", batch.stop);
  listenForFiles();
  byId("gate").addEventListener(
    "submit",
    guarded(async () => {
      setKey(byId("key").value.trim());
      byId("key").value = "";
      await begin();
      text.focus();
    }),
  );
  byId("forget").addEventListener("click", () => {
    forgetAnswer();
    text.value = "";
    askForKey(null);
  });
}

function listenForFiles() {
  const drop = byId("drop");
  byId("upload").addEventListener("change", guarded(() => {
    const [file] = byId("upload").files;
    return file ? answerFile(file) : undefined;
  }));
  const over = (on) => (event) => {
    event.preventDefault();
    drop.classList.toggle("over", on);
  };
  drop.addEventListener("dragover", over(true));
  drop.addEventListener("dragleave", over(false));
  drop.addEventListener("drop", guarded((event) => {
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    return file ? answerFile(file) : undefined;
  }));
}

listen();
await guarded(begin)();
