// Plots as SVG elements. Colors come from the style sheet's classes; every mark says its figures.

const SPACE = "http://www.w3.org/2000/svg";

export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter(Boolean));
  return element;
}

const title = (text) => draw("title", {}, text);
const label = (x, y, text, anchor = "middle") => draw("text", { x, y, "text-anchor": anchor }, text);

function plot(name, width, height, ...parts) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name, class: "plot" }, ...parts);
}

/** A round number at or above a value. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999999);
}

/** Horizontal bars: rows of [name, value, text, kind]. */
export function bars(name, rows, most) {
  const end = most ?? roundUp(Math.max(...rows.map(([, value]) => value), 0));
  const line = 22, left = 170, wide = 330;
  return plot(name, 600, rows.length * line + 4, ...rows.flatMap(([what, value, text, kind], at) => [
    label(left - 8, at * line + 16, what, "end"),
    draw("rect", { x: left, y: at * line + 4, height: line - 7, width: Math.max(1, (value / end) * wide), class: kind ?? "bar" },
      title(`${what}: ${text ?? value}`)),
    label(left + 8 + (value / end) * wide, at * line + 16, text ?? String(value), "start"),
  ]));
}

const LEFT = 52, WIDE = 540, TOP = 12, HIGH = 150;

function frame(name, days, end, show, ...parts) {
  const step = Math.max(1, Math.ceil(days.length / 7));
  const lines = [0, 0.5, 1].flatMap((part) => {
    const y = TOP + HIGH * (1 - part);
    return [
      draw("line", { x1: LEFT, x2: LEFT + WIDE, y1: y, y2: y, class: "grid" }),
      label(LEFT - 6, y + 4, show(end * part), "end"),
    ];
  });
  const slot = WIDE / Math.max(days.length, 1);
  const names = days.map((day, at) => at % step === 0 && label(LEFT + slot * (at + 0.5), TOP + HIGH + 18, day.slice(5)));
  return plot(name, LEFT + WIDE + 8, TOP + HIGH + 26, ...lines, ...parts, ...names);
}

/** Columns on days, of parts on each other: [{day, parts: [[kind, value, text], …]}]. */
export function columns(name, rows, show = String) {
  const totals = rows.map((row) => row.parts.reduce((sum, [, value]) => sum + value, 0));
  const end = roundUp(Math.max(...totals, 0));
  const slot = WIDE / Math.max(rows.length, 1);
  const marks = rows.flatMap((row, at) => {
    let y = TOP + HIGH;
    return row.parts.map(([kind, value, text]) => {
      const height = (value / end) * HIGH;
      y -= height;
      return draw("rect", { x: LEFT + slot * (at + 0.1), y, width: slot * 0.8, height, class: kind }, title(`${row.day}: ${text}`));
    });
  });
  return frame(name, rows.map((row) => row.day), end, show, ...marks);
}

/** Lines on days: series of {kind, name, values}, null where there is none. low, high: a band. */
export function lines(name, days, series, show = String, most) {
  const all = series.flatMap((one) => one.values).filter((value) => value != null);
  const end = most ?? roundUp(Math.max(...all, 0));
  const slot = WIDE / Math.max(days.length, 1);
  const x = (at) => LEFT + slot * (at + 0.5);
  const y = (value) => TOP + HIGH * (1 - value / end);
  const marks = series.flatMap(({ kind, name: what, values }) => {
    const runs = [];
    values.forEach((value, at) => {
      if (value == null) return;
      if (at && values[at - 1] != null) runs.at(-1).push(`${x(at)},${y(value)}`);
      else runs.push([`${x(at)},${y(value)}`]);
    });
    return [
      ...runs.map((run) => draw("polyline", { points: run.join(" "), class: `line ${kind}` })),
      ...values.map((value, at) => value == null ? null :
        draw("circle", { cx: x(at), cy: y(value), r: 3, class: kind }, title(`${days[at]}, ${what}: ${show(value)}`))),
    ];
  });
  return frame(name, days, end, show, ...marks);
}
