// The chat's parts, as elements. Texts become text, never markup.

/** An element with attributes and children; `onclick` and the like are listeners. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** A drawing from paths, invisible to screen readers. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

export const SPEECH = "M4 4h16v12H9l-5 4z";
export const CROSS = "M6 6l12 12M18 6L6 18";

/** What somebody said. Screen readers hear who it was; eyes see it from side and color. */
export function bubble(by, who, text) {
  return make("p", { class: `bubble ${by}` }, make("span", { class: "who" }, `${who}: `), text);
}

/** Where an answer stands, to be unfolded. */
export function source(words, { title, text }) {
  const head = make("summary", {}, `${words.source}: ${title}`);
  return make("details", { class: "source" }, head, make("blockquote", {}, text));
}

export function note(text, ...more) {
  return make("p", { class: "note" }, text, ...more);
}
