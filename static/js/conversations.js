// The list of conversations goes on as it is scrolled, and each line has a menu. Without this file: links and forms.
// What a menu does is in filing.js, loaded when one is opened.
import { fromHtml } from "./page.js";

const $ = (selector) => document.querySelector(selector);
const list = $("[data-conversations]"), filter = $("[data-filter] select"), title = $("[data-title]");
const NAMED = 4000; // milliseconds after an answer, when a model may have given a title
const watcher = new IntersectionObserver(goOn, { root: list.parentElement, rootMargin: "600px" });

export const DELETED = "deleted-conversation"; // in the session's storage
export const here = $("[data-composer]").dataset.conversation;
export const path = (id, what) => `/chat/${id}/${what}/`;
export const lineOf = (id) => list.querySelector(`[data-id="${id}"]`);

async function part(address) {
  const response = await fetch(address, { headers: { "X-Part": "1" }, redirect: "manual" }).catch(() => null);
  return response?.ok ? response.text() : null;
}

export async function reload() {
  const html = await part(`/conversations/?${new URLSearchParams({ show: filter.value, current: here })}`);
  if (html === null) return;
  list.innerHTML = html;
  watch();
}

function watch() {
  const next = list.querySelector("[data-next]");
  if (next) watcher.observe(next);
}

async function goOn([{ isIntersecting, target }]) {
  if (!isIntersecting) return;
  watcher.unobserve(target);
  const html = await part(`${target.getAttribute("href")}&current=${here}`);
  if (html === null || !target.isConnected) return;
  target.parentElement.remove();
  list.insertAdjacentHTML("beforeend", html);
  watch();
}

// The first answer of a conversation gives it its line.
export function addConversation(id, name) {
  list.querySelector(".none")?.remove();
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const item = fromHtml(`<li class="item"><a aria-current="page"></a><a class="more" aria-haspopup="menu" data-menu>
    <svg><use href="#i-more"/></svg></a></li>`);
  item.dataset.id = id;
  item.firstElementChild.href = `/chat/${id}/`;
  item.lastElementChild.href = path(id, "options");
  const first = [...list.querySelectorAll(".group")].find((group) => !group.nextElementSibling?.matches("[data-pinned]"));
  let today = first?.textContent === gettext("Today") ? first : null;
  if (!today) {
    today = fromHtml('<li class="group"></li>');
    today.textContent = gettext("Today");
    list.insertBefore(today, first ?? null);
  }
  today.after(item);
  renameConversation(id, name);
  setTimeout(() => askForTitle(id), NAMED);
}

export function renameConversation(id, name) {
  const [link, more] = lineOf(id)?.children ?? [];
  if (link) link.textContent = link.title = name;
  more?.setAttribute("aria-label", interpolate(gettext("Options for %s"), [name]));
  if (id !== here) return;
  title.textContent = name;
  document.title = `${name} · PolyAI`;
}

async function askForTitle(id) {
  if ($('[data-thread][aria-busy="true"]')) return setTimeout(() => askForTitle(id), NAMED);
  const response = await fetch(path(id, "title"), { redirect: "manual" }).catch(() => null);
  if (response?.ok && !$(".rename")) renameConversation(id, (await response.json()).title);
}

const bar = $("[data-topbar-menu]");
document.addEventListener("click", ({ target }) => {
  if (!bar.firstElementChild.contains(target)) bar.open = false;
});
bar.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !bar.open) return;
  event.stopPropagation();
  bar.open = false;
  bar.firstElementChild.focus();
});

// Links and forms that are done in place.
document.addEventListener("click", async (event) => {
  const wanted = event.target.closest(
    "[data-menu], [data-sheet], [data-item-menu] button, [data-do=rename], [data-do=delete], [data-title]",
  );
  if (!wanted || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  (await import("./filing.js")).act(wanted);
});

filter.addEventListener("change", reload);
watch();
if (sessionStorage.getItem(DELETED)) import("./filing.js").then(({ offerUndo }) => offerUndo());
