// What the question is restricted to, as chips.
import { picks, restrict, text } from "./composer.js";
import { ICONS, icon, loadStyle } from "./drawing.js";

const chips = document.querySelector("[data-picks]");
loadStyle("composer-more");
text.addEventListener("keydown", (event) => {
  if (event.key === "Backspace" && !text.selectionEnd) [...chips.querySelectorAll("button")].at(-1)?.focus();
});

export function draw() {
  chips.hidden = !picks.length;
  chips.replaceChildren(note(gettext("Only from")), ...picks.map(chip));
  const tags = picks.filter(({ kind }) => kind === "tag").length;
  if (tags > 1 && tags === picks.length) chips.append(note(gettext("documents with all of these tags")));
  else if (tags && picks.length > tags) chips.append(note(gettext("these documents, if they have all of these tags")));
}

function note(words) {
  return Object.assign(document.createElement("li"), { className: "chip-note", textContent: words });
}

function chip(one) {
  const item = document.createElement("li"), name = document.createElement("span"), remove = document.createElement("button");
  item.className = "chip is-pick";
  name.textContent = name.title = one.name;
  Object.assign(remove, { type: "button", ariaLabel: interpolate(gettext("No longer only from %s"), [one.name]) });
  remove.append(icon("close"));
  remove.addEventListener("click", () => { restrict(picks.filter((other) => other !== one)); text.focus(); });
  item.append(icon(ICONS[one.kind]), name, remove);
  return item;
}
