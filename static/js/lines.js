// The line of a conversation that begins here, and its name when it changes.
import { here, lineOf, list, path } from "./conversations.js";
import { fromHtml } from "./page.js";

const NAMED = 4000; // milliseconds after an answer, when a model may have given a title

// The first answer of a conversation gives it its line, and its menu.
export function begin(id, name) {
  for (const part of ["picker", "project-name", "topbar-menu"]) document.querySelector(`[data-${part}]`).hidden = part === "picker";
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
  document.querySelector("[data-title]").textContent = name;
  document.title = `${name} · PolyAI`;
}

async function askForTitle(id) {
  if (document.querySelector('[data-thread][aria-busy="true"]')) return setTimeout(() => askForTitle(id), NAMED);
  const response = await fetch(path(id, "title"), { redirect: "manual" }).catch(() => null);
  if (response?.ok && !document.querySelector(".rename")) renameConversation(id, (await response.json()).title);
}
