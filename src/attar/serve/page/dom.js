// Elements, built from text. Nothing here or elsewhere reads a text as markup.

export const byId = (id) => document.getElementById(id);

/** An element; children are nodes or texts. Keys that are null are left out. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  element.append(...children);
  return element;
}

/** A text whose direction is its own, whatever stands around it; broken after underscores. */
export function apart(text) {
  const [first, ...rest] = String(text).split("_");
  return make("bdi", {}, first, ...rest.flatMap((part) => ["_", make("wbr"), part]));
}

export const show = (element, shown = true) => {
  element.hidden = !shown;
};

/** rows: arrays of texts or nodes; the first cell is the row's head. */
export function table(caption, head, rows, kind = "numbers") {
  const top = make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map((cells) =>
    make(
      "tr",
      {},
      ...cells.map((cell, at) =>
        at === 0
          ? make("th", { scope: "row", dir: "auto", "data-name": head[0] }, cell)
          : make("td", { dir: "auto", "data-name": head[at] }, cell),
      ),
    ),
  );
  const whole = make(
    "table",
    { class: kind },
    make("caption", {}, caption),
    make("thead", {}, top),
    make("tbody", {}, ...body),
  );
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, whole);
}

const whole = new Intl.NumberFormat("en-US");
export const count = (number) => whole.format(number);
export const counted = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;
export const percent = (share) => `${(100 * share).toFixed(1)}%`;
export const milliseconds = (ms) =>
  ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** Dollars with figures enough to tell a small price from none. */
export function dollars(usd) {
  if (usd === 0) return "$0";
  return usd >= 1 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(2)).toFixed(12).replace(/0+$/, "")}`;
}

export function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return counted(Math.round(seconds), "second");
  return counted(Math.round(seconds / 60), "minute");
}
