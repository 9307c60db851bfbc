// One script tag puts the desk's chat on a page. It loads the rest beside it and starts once.
(() => {
  const script = document.currentScript;
  if (!script || window.desk) return;
  const base = new URL(".", script.src);
  const options = { ...script.dataset };
  // A promise of {open, close, say}, for the page's own buttons.
  window.desk = import(new URL("widget/chat.js", base)).then(({ start }) => start(base, options));
})();
