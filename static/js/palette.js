// The palette (Ctrl+K): conversations, messages, documents, projects, and what the side bar can do. Loaded when used.
import { fromHtml } from "./page.js";
import { loadStyles } from "./sheet.js";

const PAUSE = 120; // milliseconds after a key before the server is asked
let dialog, input, list, state, timer, asking;
let options = [], chosen = -1;
let isLate = true; // the options are not of the text of now
let hurried = null; // Enter was pressed then

// `ahead` has what was typed meanwhile, and the focus, unless one has gone elsewhere.
export async function open(ahead) {
  if (!dialog) await make();
  if (!ahead.isConnected) return;
  ahead.leave(); // where the focus comes back to
  if (dialog.open) return input.setRangeText(ahead.value, input.selectionStart, input.selectionEnd, "end");
  input.value = ahead.value;
  list.replaceChildren();
  dialog.showModal();
  look();
}

async function make() {
  dialog = fromHtml(`<dialog class="palette"><div class="palette-head"><svg><use href="#i-search"/></svg>
    <input role="combobox" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list" autocomplete="off"
      spellcheck="false" maxlength="200"></div><div role="listbox" id="palette-list"></div>
    <p class="palette-state" role="status"></p></dialog>`);
  [input, list, state] = ["input", "[role=listbox]", "[role=status]"].map((one) => dialog.querySelector(one));
  const name = gettext("Search conversations, documents, projects and actions");
  for (const one of [dialog, input, list]) one.setAttribute("aria-label", name);
  input.placeholder = gettext("Search or do …");
  input.addEventListener("input", () => { isLate = true; hurried = null; clearTimeout(timer); timer = setTimeout(look, PAUSE); });
  input.addEventListener("keydown", onKey);
  list.addEventListener("mousemove", ({ target }) => choose(options.findIndex((one) => one.element.contains(target))));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
    const clicked = options.find((one) => one.element.contains(event.target));
    if (clicked) run(clicked, event.ctrlKey || event.metaKey);
  });
  dialog.addEventListener("close", () => { clearTimeout(timer); asking?.abort(); hurried = null; });
  await loadStyles();
  document.body.append(dialog);
}

// What is found for the text of now; an answer to an older text is dropped.
async function look() {
  asking?.abort();
  asking = new AbortController();
  isLate = true;
  const { signal } = asking, text = input.value.trim();
  const address = `/palette/?${new URLSearchParams({ q: text })}`;
  const response = await fetch(address, { signal, redirect: "manual" }).catch(() => null);
  if (signal.aborted) return;
  const found = response?.ok ? (await response.json().catch(() => ({ groups: [] }))).groups : [];
  if (signal.aborted) return;
  show([...found, { label: gettext("Actions"), items: actions(text) }]);
  const isOut = response?.type === "opaqueredirect"; // to the log-in
  isLate = false;
  if (hurried && options[0]) return run(options[chosen], hurried.ctrlKey || hurried.metaKey);
  if (!response?.ok) state.textContent = isOut ? gettext("You are logged out.") : gettext("The server cannot be asked at the moment.");
}

// The side bar's links and buttons are the actions.
function actions(text) {
  const words = text.toLowerCase().split(/\s+/);
  const all = [...document.querySelectorAll(".new-chat, .rooms a, .sidebar-foot :is(a, button)")].map((element) => {
    const label = element.ariaLabel || element.matches(".who") && element.title || element.textContent.trim();
    return { title: [[label, false]], run: () => element.click(), label };
  });
  const keys = gettext("Keyboard shortcuts");
  if (document.querySelector("[data-composer]")) all.push({ title: [[keys, false]], label: keys, run: pressHelp });
  return all.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)));
}

function pressHelp() {
  document.activeElement?.blur();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "?", shiftKey: true, bubbles: true }));
}

function show(groups) {
  options = [];
  chosen = -1;
  input.removeAttribute("aria-activedescendant");
  list.replaceChildren(...groups.filter(({ items }) => items.length).map(({ label, items }, number) => {
    const group = fromHtml(`<div role="group" aria-labelledby="palette-${number}"><div class="palette-group" id="palette-${number}"></div></div>`);
    group.firstElementChild.textContent = label;
    for (const item of items) {
      const element = fromHtml(`<div role="option" aria-selected="false" id="option-${options.length}"><span></span></div>`);
      element.firstElementChild.append(...pieces(item.title));
      if (item.at) element.append(small("", [[item.at, false]]));
      if (item.detail?.length) element.append(small("detail", item.detail));
      options.push({ ...item, element });
      group.append(element);
    }
    return group;
  }));
  state.textContent = options.length ? "" : gettext("Nothing found.");
  choose(options.length ? 0 : -1);
}

const pieces = (parts) => parts.map(([text, isMarked]) => {
  const piece = document.createElement(isMarked ? "mark" : "span");
  piece.textContent = text;
  return piece;
});

function small(name, parts) {
  const element = document.createElement("small");
  element.className = name;
  element.append(...pieces(parts));
  return element;
}

function choose(number) {
  if (number === chosen || (number < 0 && options.length)) return;
  options[chosen]?.element.setAttribute("aria-selected", "false");
  chosen = number;
  const element = options[chosen]?.element;
  element?.setAttribute("aria-selected", "true");
  element?.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", element?.id ?? "");
}

function onKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && options.length) { event.preventDefault(); choose((chosen + step + options.length) % options.length); }
  if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    if (isLate) hurried = event;
    else if (options[chosen]) run(options[chosen], event.ctrlKey || event.metaKey);
  }
}

function run(option, inNewTab) {
  dialog.close();
  if (option.run) option.run();
  else if (inNewTab) window.open(option.href, "_blank", "noopener");
  else location.assign(option.href);
}
