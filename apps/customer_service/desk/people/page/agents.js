// The queue on the left, one case on the right.

import { make } from "/widget/parts.js";
import { doing, get, post, signedIn, status } from "./api.js";
import { talk } from "./talk.js";

const STATES = ["waiting", "claimed", "closed"];
const LOOKS_MS = 3_000;
const RENEWS_MS = 60_000;
const words = (name) => name.replaceAll("_", " ");
const list = document.getElementById("cases");
const place = document.getElementById("case");
let state = "waiting";
let open = null; // the number of the case that is shown
let shown = ""; // what of it, to draw only what changed
let renewed = 0;
let me;
const drafts = new Map(); // replies being written, by case
let trying = null; // the reply that is being sent, with its key

// Not randomUUID: a browser has that over HTTPS only.
const random = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

function since(stamp) {
  const minutes = Math.max(0, Math.round((Date.now() - new Date(stamp)) / 60_000));
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} days`;
}

async function showList() {
  const { cases, counts } = await get(`cases?state=${state}`);
  const states = STATES.map((name) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(name === state),
        onclick: doing(() => ((state = name), showList())),
      },
      `${name} (${counts[name]})`,
    ),
  );
  document.title = `${counts.waiting ? `(${counts.waiting}) ` : ""}Cases – desk`;
  // The button that had the focus has it again when it is drawn anew.
  const focus = document.activeElement?.dataset?.keep;
  document.getElementById("states").replaceChildren(...states.map(keep));
  list.replaceChildren(...cases.map(entry));
  if (!cases.length) list.append(make("li", { class: "soft" }, "None."));
  if (focus) document.querySelector(`[data-keep="${CSS.escape(focus)}"]`)?.focus();
}

function keep(element) {
  element.dataset.keep ??= element.textContent.split(" (")[0];
  return element;
}

function entry(found) {
  const about = found.wants.length ? found.wants.map(words).join(", ") : "a person";
  const held = found.holder ? ` · ${found.holder}` : found.outcome ? ` · ${words(found.outcome)}` : "";
  const button = make(
    "button",
    {
      type: "button",
      "data-keep": `case-${found.id}`,
      "aria-current": found.id === open ? "true" : null,
      onclick: doing(() => show(found.id)),
    },
    make("strong", {}, about),
    make("span", { class: "soft" }, `${words(found.reason)} · ${found.channel} · ${since(found.opened)}${held}`),
  );
  return make("li", {}, button);
}

async function show(number, force = true) {
  const found = await get(`cases/${number}`);
  open = number;
  const now = JSON.stringify([found.case, found.turns, found.verdicts]);
  if (!force && now === shown) return;
  if (!force && place.querySelector("form.correct")) return; // a correction is being written
  const before = document.getElementById("reply");
  const cursor = before && before === document.activeElement ? before.selectionStart : null;
  shown = now;
  place.replaceChildren(...view(found));
  const after = document.getElementById("reply");
  if (after && cursor !== null) {
    after.focus();
    after.setSelectionRange(cursor, cursor);
  }
}

function view(found) {
  const { case: one } = found;
  const title = make("h2", { tabindex: "-1" }, `Case ${one.id}`);
  const act = (label, path, body, after) =>
    make("button", { type: "button", onclick: doing(async () => {
      await post(`cases/${one.id}/${path}`, body);
      await (after ?? (() => show(one.id)))();
      await showList();
    }) }, label);
  const parts = [title];
  if (found.mine && one.state === "claimed") {
    parts.push(make("div", { class: "row" },
      ...me.outcomes.map((name) => act(`Close: ${words(name)}`, "close", { outcome: name })),
      act("Let go", "release"),
    ));
  } else if (one.state === "waiting") {
    const claim = act("Claim", "claim");
    claim.classList.add("first");
    parts.push(make("div", { class: "row" }, claim));
  } else {
    parts.push(make("p", { class: "soft" }, one.state === "closed"
      ? `Closed by ${one.closed_by}: ${words(one.outcome)}.` : `Held by ${one.holder}.`));
  }
  const facts = make("dl", {});
  for (const [head, text] of found.summary) facts.append(make("dt", {}, head), make("dd", {}, text));
  parts.push(make("section", { "aria-label": "Summary" }, facts));
  if (found.unsure.length) {
    const guesses = found.unsure.map(([name, score]) =>
      make("li", {}, `${words(name)} `, make("meter", { min: 0, max: 1, value: score }), ` ${Math.round(score * 100)} %`));
    parts.push(make("h3", {}, "What the model took the last message for"), make("ul", { class: "plain" }, ...guesses));
  }
  parts.push(make("h3", {}, "Conversation"), talk(found, me, () => show(one.id)));
  if (found.mine && one.state === "claimed") parts.push(reply(found));
  return parts;
}

function reply(found) {
  const number = found.case.id;
  const oninput = () => drafts.set(number, text.value);
  const text = make("textarea", { id: "reply", rows: 4, maxlength: 4_000, required: true, oninput });
  text.value = drafts.get(number) ?? "";
  const fill = (said) => ((text.value = said), oninput(), text.focus());
  const begin = found.suggested.map((one) =>
    make("button", { type: "button", onclick: () => fill(one.text) },
      one.source ? `From “${one.title}”` : "Greeting"));
  const send = doing(async () => {
    // The same text has the same key until it is known to be said: a second click says it once.
    if (trying?.number !== number || trying.text !== text.value) {
      trying = { number, text: text.value, key: random() };
    }
    await post(`cases/${number}/answers`, { key: trying.key, text: trying.text });
    trying = null;
    drafts.delete(number);
    await show(number);
    document.getElementById("reply")?.focus();
    status("Sent.");
  });
  const suggested = make("div", { class: "row", role: "group", "aria-label": "Suggested replies" }, ...begin);
  const heading = make("h3", {}, "Reply");
  return make("form", { onsubmit: send }, heading, suggested,
    make("label", { for: "reply" }, "To the customer"), text, make("button", { class: "first" }, "Send"));
}

async function review(by) {
  const large = by === "large";
  const found = await get(large ? "review?by=large" : "review");
  open = null;
  if (found.conversation === null) {
    place.replaceChildren(make("p", { class: "soft" }, "Nothing is left to review."));
    return;
  }
  place.replaceChildren(
    make("h2", { tabindex: "-1" }, "Did the desk get it right?"),
    make("p", { class: "soft" }, large
      ? "The large model decided here what a message asks for. What you say of it becomes a row to learn from."
      : "Drawn at random. What you say of it counts for the rate of wrong answers."),
    talk({ ...found, sampled: !large }, me, async () => {}),
    make("button", { type: "button", class: "first", onclick: doing(() => review(by)) }, "Another one"),
  );
}

async function look() {
  try {
    await showList();
    if (open !== null) {
      const mine = document.getElementById("reply");
      if (mine && document.visibilityState === "visible" && Date.now() - renewed > RENEWS_MS) {
        renewed = Date.now();
        // Where another agent has it by now, that is said, and the case is drawn as it is.
        await post(`cases/${open}/claim`).catch((error) => status(error.message));
      }
      await show(open, false);
    }
  } catch (error) {
    status(error.message);
  }
  setTimeout(look, LOOKS_MS);
}

document.getElementById("review").addEventListener("click", doing(() => review("chance")));
document.getElementById("review-large").addEventListener("click", doing(() => review("large")));
document.getElementById("next").addEventListener("click", doing(async () => {
  const found = await post("cases/next");
  if (found.case === null) return status("Nobody is waiting.");
  await show(found.case.id);
  await showList();
  place.querySelector("h2").focus();
}));
me = await signedIn();
await look();
