// Behind a `#`: documents and tags that the question is restricted to.
import { data, form, picks, restrict, text } from "./composer.js";
import { ICONS, icon, loadStyle } from "./drawing.js";

const WORD = /(^|\s)#([^\s#]{0,100})$/;
const list = document.createElement("ul"), status = document.querySelector("[data-status]");
let offered = [], at = 0;
let wanted = null, shown = null; // what is typed behind the `#`, and what the list is of
let isHurried = false; // Enter was pressed before the list was there

Object.assign(list, { id: "picker", className: "picker", hidden: true });
list.dataset.picking = "";
list.setAttribute("role", "listbox");
list.setAttribute("aria-label", gettext("Documents and tags"));
form.append(list);
text.setAttribute("aria-autocomplete", "list");
text.setAttribute("aria-controls", "picker");
loadStyle("composer-more");

// The button: as if a `#` were typed.
export function show() {
  text.focus();
  const before = text.value.slice(0, text.selectionStart);
  text.setRangeText(/\S$/.test(before) ? " #" : "#", text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input"));
}

const typing = () => text.value.slice(0, text.selectionStart).match(WORD)?.[2];

export function look() {
  const typed = typing();
  if (typed === undefined || document.activeElement !== text) close();
  else ask(typed);
}

async function ask(typed) {
  wanted = typed;
  const query = new URLSearchParams({ q: typed, conversation: data.conversation });
  const response = await fetch(`/projects/${data.project}/pick/?${query}`, { redirect: "manual" }).catch(() => null);
  const found = response?.ok ? (await response.json()).picks : [];
  if (wanted !== typed) return; // more was typed meanwhile
  const isPicked = ({ kind, value }) => picks.some((one) => one.kind === kind && one.value === value);
  offered = found.filter((one) => !isPicked(one));
  shown = typed;
  if (isHurried && offered.length) return choose(offered[0]);
  if (isHurried) form.requestSubmit(); // it was no name
  if (isHurried || !response?.ok) return close();
  list.replaceChildren(...offered.map(option));
  if (!offered.length) list.append(Object.assign(document.createElement("li"), { className: "none", textContent: gettext("Nothing of this name") }));
  list.hidden = false;
  move(0);
  status.textContent = interpolate(ngettext("%s choice", "%s choices", offered.length), [offered.length]);
}

function option(one, i) {
  const item = document.createElement("li");
  item.id = `pick-${i}`;
  item.setAttribute("role", "option");
  item.append(icon(ICONS[one.kind]), one.name);
  item.addEventListener("mousedown", (event) => { event.preventDefault(); choose(one); });
  return item;
}

function move(to) {
  at = offered.length ? (to + offered.length) % offered.length : 0;
  [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i === at));
  if (!offered.length) return text.removeAttribute("aria-activedescendant");
  text.setAttribute("aria-activedescendant", `pick-${at}`);
  list.children[at].scrollIntoView({ block: "nearest" });
}

function close() {
  wanted = shown = null;
  isHurried = false;
  list.hidden = true;
  text.removeAttribute("aria-activedescendant");
}

function choose(one) {
  const end = text.selectionStart, start = end - text.value.slice(0, end).match(WORD)[2].length - 1;
  text.setRangeText("", start, end, "end");
  close();
  restrict([...picks, one]);
}

// Before the composer's own keys, while the list is open, or is being fetched for what is typed.
form.addEventListener("keydown", (event) => {
  const typed = typing();
  if (wanted === null || typed === undefined || event.target !== text) return;
  const isEnter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  const act = typed !== shown && isEnter ? () => { isHurried = true; } : !list.hidden && {
    ArrowDown: () => move(at + 1),
    ArrowUp: () => move(at - 1),
    Enter: () => (offered.length ? choose(offered[at]) : close()),
    Tab: () => (offered.length ? choose(offered[at]) : close()),
    Escape: close,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}, true);
text.addEventListener("input", () => { isHurried = false; });
text.addEventListener("blur", close);
