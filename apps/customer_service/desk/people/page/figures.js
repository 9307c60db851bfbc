// The dashboard: figures of a period, each plot with its table below.

import { make } from "/widget/parts.js";
import { doing, download, get, signedIn, status } from "./api.js";
import { bars, columns, lines } from "./plots.js";

const form = document.getElementById("filters");
const place = document.getElementById("figures");
const words = (name) => name.replaceAll("_", " ");
const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)} %`);
const whole = (value) => `${Math.round(100 * value)} %`;
const ms = (value) => (value == null ? "–" : value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`);
const usd = (value) => `${value < 0 ? "−" : ""}$${Math.abs(value).toFixed(2)}`;
const interval = (one) => one.share == null ? "nothing to count" : `${one.count} of ${one.of}; 95 %: ${percent(one.low)} to ${percent(one.high)}`;

function query() {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) asked.set(name, value);
  return asked;
}

function tile(name, value, more) {
  return make("div", { class: "tile" }, make("dt", {}, name), make("dd", {}, make("strong", {}, value), make("span", { class: "soft" }, more)));
}

function table(heads, rows) {
  const cells = (row) => row.map((cell, at) => make(at ? "td" : "th", at ? {} : { scope: "row" }, String(cell ?? "–")));
  return make("details", {}, make("summary", {}, "As a table"), make("div", { class: "wide" }, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row)))))));
}

function part(name, drawing, below, csv, note) {
  const save = csv && make("button", { type: "button", onclick: doing(() => download(`figures/${csv}.csv?${query()}`, `${csv}.csv`)) }, "CSV");
  return make("section", { class: "part" }, make("h2", {}, name), drawing ?? make("p", { class: "soft" }, "Nothing in this period."),
    note ? make("p", { class: "soft" }, note) : "", below ?? "", save ?? "");
}

function tiles(found) {
  const { containment, wrong, latency, costs, waits } = found;
  return make("dl", { class: "tiles" },
    tile("Contained", percent(containment.share), interval(containment)),
    tile("Wrong answers", percent(wrong.drawn.share ?? wrong.judged.share),
      wrong.drawn.share != null ? `drawn at random: ${interval(wrong.drawn)}` : `chosen by agents: ${interval(wrong.judged)}`),
    tile("Latency, p99", ms(latency.p99), `p50 ${ms(latency.p50)}, p95 ${ms(latency.p95)}, of ${latency.count} messages`),
    tile("Saved", usd(costs.saved_usd), `${usd(costs.large_usd)} of ${costs.model} less ${usd(costs.machine_usd)} of the machine and ${usd(costs.handed_usd)} of what was handed over to it`),
    tile("Asked a large model", String(found.large.requests), `times; it decided ${interval(found.large.decided)}`),
    tile("Wait for a person", waits.median_s == null ? "–" : `${Math.round(waits.median_s)} s`, `median of ${waits.answered}; ${waits.open} open`),
    tile("Conversations", String(found.conversations), `${found.messages} messages; not sure of ${percent(found.abstained.share)}`));
}

function show(found) {
  const days = found.days;
  const reasons = Object.entries(found.reasons);
  const asked = Object.entries(found.intents).sort(([, a], [, b]) => b - a);
  const top = asked.slice(0, 6).map(([name]) => name);
  const periods = Object.entries(found.periods);
  const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
  const drifted = found.drift.filter((row) => row.distance != null);
  const handedOver = Object.entries(found.large.outcomes);
  const bins = found.latency.bins;
  const names = days.map((row) => row.day);
  place.replaceChildren(
    tiles(found),
    part("Conversations", days.length && columns("Conversations by day", days.map((row) => ({ day: row.day, parts: [
        ["contained", row.conversations - row.handed, `${row.conversations - row.handed} contained`],
        ["handed", row.handed, `${row.handed} handed over`]] }))),
      table(["Day", "Conversations", "Handed over", "Contained"], days.map((row) => [row.day, row.conversations, row.handed, percent(row.contained.share)])),
      "days", "Below: contained; on top: handed over to a person. Who gave up without a word counts as contained."),
    part("Contained", days.length && lines("Share contained by day", names, [{ kind: "contained", name: "contained", values: days.map((row) => row.contained.share) }], whole, 1)),
    part("Why a person took over", reasons.length && bars("Reasons", reasons.map(([name, count]) => [words(name), count, String(count), "handed"])),
      table(["Reason", "Conversations"], reasons.map(([name, count]) => [words(name), count])), "reasons"),
    handedOver.length ? part("Handed over to the large model", bars("Outcomes", handedOver.map(([name, count]) => [words(name), count, String(count)])),
      table(["What came of it", "Messages"], handedOver.map(([name, count]) => [words(name), count]))) : "",
    part("Latency", days.length && lines("Latency by day", names, [
        { kind: "handed", name: "p99", values: days.map((row) => row.p99) }, { kind: "contained", name: "p50", values: days.map((row) => row.p50) }], ms),
      table(["Under", "Messages"], bins.map((bin) => [`${bin.under} ms`, bin.count])), null, "Above: p99; below: p50. Of the desk's own answers."),
    part("What is asked", asked.length && bars("Intents", asked.slice(0, 15).map(([name, count]) => [words(name), count])),
      table(["Intent", "Messages"], asked.map(([name, count]) => [words(name), count])), "intents"),
    part(`What is asked, by ${found.weekly ? "week" : "day"}`, periods.length && top.length && lines("Shares of intents", periods.map(([day]) => day),
        top.map((name, at) => ({ kind: `series${at}`, name: words(name), values: periods.map(([, counts]) => (counts[name] ?? 0) / sum(counts)) })), whole),
      make("ul", { class: "legend" }, ...top.map((name, at) => make("li", { class: `series${at}` }, words(name))))),
    part("Drift", drifted.length && lines("Distance to what came before", found.drift.map((row) => row.period), [
        { kind: "handed", name: "distance", values: found.drift.map((row) => row.distance) },
        { kind: "chance", name: "by chance, 95 of 100", values: found.drift.map((row) => row.chance) }], whole),
      table(["Period", "Messages", "Distance", "By chance", "Moved most"], found.drift.map((row) => [row.period, row.messages, percent(row.distance), percent(row.chance),
        row.most ? `${words(row.most.intent)} ${row.most.by > 0 ? "+" : "−"}${percent(Math.abs(row.most.by))}` : null])),
      "drift", "Share of messages whose intent would have to change for the period to look like all before it. Dashed: what chance alone stays under 95 times in 100."),
    part("Costs", bars("Costs", [[found.costs.model, found.costs.large_usd, usd(found.costs.large_usd)], ["this machine", found.costs.machine_usd, usd(found.costs.machine_usd), "contained"]]),
      null, "figures", `${found.costs.messages} messages, ${found.costs.tokens_in} tokens in and ${found.costs.tokens_out} out, at four characters a token; `
        + `${found.costs.instructions} tokens of instructions a message. The machine costs less from ${found.costs.even_an_hour ?? "–"} messages an hour on. ${found.costs.price}. ${found.costs.machine}.`),
  );
}

function fill(found) {
  const choose = { ...found.choices, intent: Object.keys(found.intents) };
  for (const [name, values] of Object.entries(choose)) {
    const select = form.elements[name];
    const had = select.value;
    const all = name === "model" ? [] : [make("option", { value: "" }, "all")];
    const kept = had && !values.includes(had) ? [...values, had] : values;
    select.replaceChildren(...all, ...kept.map((value) => make("option", { value, selected: value === had }, words(value))));
  }
}

async function load() {
  const found = await get(`figures?${query()}`);
  fill(found);
  show(found);
  status(`${found.since.slice(0, 10)} to ${found.until.slice(0, 10)}`);
}

form.addEventListener("submit", doing(load));
await signedIn();
await doing(load)();
