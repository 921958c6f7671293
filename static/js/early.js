// What is clicked, sent or pressed before the scripts are there is held, and happens when they are, or have failed to come.
// Not a module, which would come too late.

// A field for what is typed behind Ctrl+K before the palette is there. Whoever leaves it wants no palette.
self.typeAhead = () => {
  const from = document.activeElement;
  if (from.from) return from;
  const field = Object.assign(document.createElement("input"), { className: "visually-hidden", from, onblur: () => field.remove() });
  field.style.position = "fixed"; // nothing scrolls to it
  field.onkeydown = (event) => { if (event.key === "Escape") { event.preventDefault(); field.leave(); } };
  field.leave = () => { field.blur(); from.focus(); };
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.focus();
  return field;
};

(() => {
  const SCRIPTED = "[type=button], [data-suggestion], [data-menu], [data-sheet], [data-do], [data-title], .cite";
  const KINDS = ["click", "keydown", "submit"], held = new Map();
  const hold = (event) => {
    const { type, target, key } = event;
    if (type === "click" ? !target.closest(SCRIPTED) : key && !(key === "k" && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    event.stopPropagation();
    if (key && document.querySelector(".sidebar")) typeAhead();
    target.dataset.held = "";
    held.set(target, event);
  };
  for (const kind of KINDS) addEventListener(kind, hold, true);
  addEventListener("DOMContentLoaded", () => {
    for (const kind of KINDS) removeEventListener(kind, hold, true);
    for (const [target, event] of held) {
      delete target.dataset.held;
      if (event.type === "submit") target.requestSubmit(event.submitter);
      else target.dispatchEvent(new event.constructor(event.type, event));
    }
  });
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== "Enter" || !target.matches("[data-text]") || event.shiftKey || event.isComposing || event.defaultPrevented) return;
    event.preventDefault();
    if (target.value) target.form.requestSubmit();
  });
})();
