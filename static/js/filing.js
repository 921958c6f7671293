// What can be done to a conversation from its menus: rename, pin, tag, share, archive, delete and undo. Loaded when used.
import { DELETED, filter, here, lineOf, list, part, path, watch } from "./conversations.js";
import { renameConversation } from "./lines.js";
import { fromHtml, post } from "./page.js";
import { loadStyles, open } from "./sheet.js";

const $ = (selector) => document.querySelector(selector);
const menu = $("[data-item-menu]"), toast = $("[data-toast]"), title = $("[data-title]"), bar = $("[data-topbar-menu]");
const UNDO = 10_000; // milliseconds
let line = null; // whose menu is open
let latest; // list that was asked for
let isDue = false; // the list is fetched again when the name is there that is being typed

export async function reload() {
  const mine = latest = {};
  const html = await part(`/conversations/?${new URLSearchParams({ show: filter.value, current: here })}`);
  if (html === null || mine !== latest) return;
  isDue = Boolean(list.querySelector(".rename"));
  if (isDue) return;
  list.innerHTML = html;
  watch();
}

// A link or button that was clicked.
export async function act(wanted) {
  await loadStyles();
  const action = wanted.dataset.do;
  if (wanted.matches("[data-menu]")) openMenu(wanted);
  else if (wanted.matches("[data-sheet]")) {
    bar.firstElementChild.focus(); // where the dialog gives the focus back
    openSheet(wanted.pathname);
  }
  else if (menu.contains(wanted)) {
    menu.hidePopover();
    line = lineOf(line.dataset.id) ?? line; // the list may be a new one
    actions[action](line, line.dataset.id);
  } else if (action === "delete") remove(here);
  else if (!bar.hidden) rename(here, title, bar.firstElementChild);
}

async function edit(id, fields) {
  const response = await post(path(id, "edit"), fields);
  if (response?.ok) return response.json();
  say((await response?.json().catch(() => null))?.error ?? gettext("This could not be saved. Try again."));
  return null;
}

function rename(id, shown, back) {
  const input = fromHtml('<input class="rename" maxlength="120">');
  input.value = shown.textContent;
  input.setAttribute("aria-label", gettext("Title"));
  shown.hidden = true;
  shown.after(input);
  input.select();
  const end = async (save) => {
    if (shown.hidden === false) return;
    const had = document.activeElement === input;
    shown.hidden = false;
    input.remove();
    if (had) back.focus();
    const saved = save && input.value.trim() !== shown.textContent ? await edit(id, { title: input.value }) : null;
    if (saved) renameConversation(id, saved.title);
    if (isDue) reload();
  };
  input.addEventListener("blur", () => end(true));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && !event.isComposing || event.key === "Escape") end(event.key === "Enter");
  });
}

async function remove(id) {
  const name = (lineOf(id)?.firstElementChild ?? title).textContent;
  const response = await post(path(id, "delete"));
  if (!response?.ok) return say(gettext("This could not be deleted. Try again."));
  sessionStorage.setItem(DELETED, JSON.stringify({ id, name, until: Date.now() + UNDO, here: id === here }));
  if (id === here) return location.assign("/");
  if (lineOf(id)) takeAway(lineOf(id));
  offerUndo();
}

function takeAway(gone) {
  const near = gone.nextElementSibling?.matches(".item") ? gone.nextElementSibling : gone.previousElementSibling;
  if (near?.matches(".group") && !gone.nextElementSibling?.matches(".item")) near.remove();
  gone.remove();
  (near?.isConnected && near.querySelector("a") || $("[data-open-palette]")).focus();
}

export async function offerUndo() {
  await loadStyles();
  const gone = JSON.parse(sessionStorage.getItem(DELETED));
  if (!gone || gone.until < Date.now()) return;
  const button = fromHtml('<button type="button" class="link-button"></button>');
  button.textContent = gettext("Undo");
  button.addEventListener("click", async () => {
    sessionStorage.removeItem(DELETED);
    say("");
    const response = await post(path(gone.id, "restore"));
    if (!response?.ok) return say(gettext("This could not be brought back."));
    if (gone.here) return location.assign(`/chat/${gone.id}/`);
    await reload();
    lineOf(gone.id)?.firstElementChild.focus();
  });
  say(interpolate(gettext("“%s” is deleted."), [gone.name]), gone.until - Date.now(), button);
}

let hush;
function say(text, milliseconds = 8_000, ...more) {
  clearTimeout(hush);
  toast.replaceChildren(...(text ? [text, ...more] : []));
  hush = setTimeout(() => toast.replaceChildren(), milliseconds);
}

function openSheet(address) {
  open(address, async ({ title: name }) => {
    const id = address.split("/")[2];
    renameConversation(id, name);
    await reload();
    if (document.activeElement === document.body) lineOf(id)?.firstElementChild.focus();
  });
}

const actions = {
  rename: (item, id) => rename(id, item.firstElementChild, item.firstElementChild),
  tags: (item, id) => openSheet(path(id, "options")),
  share: (item, id) => openSheet(path(id, "share")),
  delete: (item, id) => remove(id),
  async pin(item, id) {
    if (!await edit(id, { pinned: "pinned" in item.dataset ? 0 : 1 })) return;
    await reload();
    if (document.activeElement === document.body) lineOf(id)?.firstElementChild.focus();
  },
  async archive(item, id) {
    if (await edit(id, { archived: "archived" in item.dataset ? 0 : 1 })) takeAway(item);
  },
};

function openMenu(more) {
  line = more.parentElement;
  for (const name of ["pin", "archive"]) {
    menu.querySelector(`[data-do=${name}]`).classList.toggle("is-set", (name === "pin" ? "pinned" : "archived") in line.dataset);
  }
  menu.showPopover();
  const { bottom, left } = more.getBoundingClientRect();
  menu.style.top = `${Math.min(bottom, innerHeight - menu.offsetHeight - 8)}px`;
  menu.style.left = `${Math.min(left, innerWidth - menu.offsetWidth - 8)}px`;
  menu.querySelector("button").focus();
}

menu.addEventListener("keydown", (event) => {
  const items = [...menu.querySelectorAll("button")], at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (next !== undefined) { event.preventDefault(); items[next % items.length].focus(); }
  if (event.key === "Tab") menu.hidePopover();
  if (event.key === "Escape") event.stopPropagation();
});
