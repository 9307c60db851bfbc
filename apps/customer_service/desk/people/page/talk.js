// A conversation, turn by turn, and what people say of how it was understood.

import { make } from "/widget/parts.js";
import { doing, put, status } from "./api.js";

const WHO = { customer: "Customer", desk: "Desk", agent: "Agent" };
const words = (name) => name.replaceAll("_", " ");

/** found: turns and verdicts of a conversation; me: what can be said; after: to do when it was. */
export function talk(found, me, after) {
  const list = make("ol", { class: "talk" });
  found.turns.forEach((turn, place) => {
    const time = make("time", { datetime: turn.at, class: "soft" }, new Date(turn.at).toLocaleTimeString());
    const head = make("p", { class: "who" }, `${WHO[turn.said_by]} `, time);
    const parts = [head, make("p", { class: "text" }, turn.text)];
    if (turn.source) parts.push(make("p", { class: "soft" }, `from the page ${turn.source}`));
    if (turn.said_by === "customer") parts.push(judged(found, turn, place, me, after));
    list.append(make("li", { class: turn.said_by }, ...parts));
  });
  return list;
}

function judged(found, turn, place, me, after) {
  const taken = turn.intents.length ? turn.intents.map(words).join(", ") : "nothing of ours";
  const said = found.verdicts[place];
  const row = make("div", { class: "row judge" }, make("span", { class: "soft" }, `taken for: ${taken}`));
  const put_ = (body) =>
    put("verdicts", {
      conversation: found.conversation,
      turn: place,
      sampled: Boolean(found.sampled),
      ...body,
    });
  const mark = (text) => row.replaceChildren(make("span", { class: "soft" }, `taken for: ${taken} · ${text}`), change);
  const change = make("button", {
    type: "button",
    "aria-expanded": "false",
    onclick: () => {
      change.hidden = true;
      row.after(form(turn, me, async (body) => {
        await put_({ right: false, ...body });
        mark("corrected");
        change.hidden = false;
        status("Kept: it will be learned from.");
        await after();
      }, () => (change.hidden = false)));
      row.nextElementSibling.querySelector("select").focus();
    },
  }, "Wrong…");
  const right = make("button", {
    type: "button",
    onclick: doing(async () => {
      await put_({ right: true });
      mark("right");
      await after();
    }),
  }, "Right");
  if (said) mark(said.right ? `right, says ${said.agent}` : `corrected by ${said.agent}`);
  else row.append(right, change);
  return row;
}

/** What the message asks for: up to three requests, the slots as the text says them. */
function form(turn, me, keep, end) {
  const requests = make("div", {});
  const add = (intent) => requests.append(request(me, intent));
  for (const intent of turn.intents.length ? turn.intents : [""]) add(intent);
  const pages = Object.entries(me.documents);
  const page = make("select", {}, make("option", { value: "" }, "–"),
    ...pages.map(([id, title]) => make("option", { value: id }, title)));
  const send = doing(async () => {
    const calls = [...requests.children].map(read).filter((call) => call.name);
    await keep({ calls, document: page.value || null });
    made.remove();
  });
  const made = make("form", { class: "correct", onsubmit: send, "aria-label": "Correction" },
    requests,
    make("button", { type: "button", onclick: () => add("") }, "And another request"),
    pages.length ? make("label", {}, "Help page that answers it ", page) : "",
    make("div", { class: "row" },
      make("button", { class: "first" }, "Keep"),
      make("button", { type: "button", onclick: () => (made.remove(), end()) }, "Cancel")),
    make("p", { class: "soft" }, "Slots in the message's own words; several with a semicolon between."));
  return made;
}

function request(me, intent) {
  const select = make("select", {}, make("option", { value: "" }, "nothing of ours"),
    ...me.intents.map((name) => make("option", { value: name, selected: name === intent }, words(name))));
  const slots = me.slots.map((name) =>
    make("label", {}, `${words(name)} `, make("input", { "data-slot": name, size: 16, autocomplete: "off" })));
  return make("fieldset", {}, make("label", {}, "It asks for ", select), make("details", {},
    make("summary", {}, "Slots"), ...slots));
}

function read(fields) {
  const slots = {};
  for (const input of fields.querySelectorAll("[data-slot]")) {
    const values = input.value.split(";").map((value) => value.trim()).filter(Boolean);
    if (values.length) slots[input.dataset.slot] = values;
  }
  return { name: fields.querySelector("select").value, arguments: slots };
}
