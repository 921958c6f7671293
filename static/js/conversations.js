// The list of conversations goes on as it is scrolled, and each line has a menu. Without this file: links and forms.
// What a menu does is in filing.js.
const $ = (selector) => document.querySelector(selector);
export const filter = $("[data-filter] select");
export const list = $("[data-conversations]");
const watcher = new IntersectionObserver(goOn, { root: list.parentElement, rootMargin: "600px" });

export const DELETED = "deleted-conversation"; // in the session's storage
export const here = $("[data-composer]").dataset.conversation;
export const path = (id, what) => `/chat/${id}/${what}/`;
export const lineOf = (id) => list.querySelector(`[data-id="${id}"]`);

export async function part(address) {
  const response = await fetch(address, { headers: { "X-Part": "1" }, redirect: "manual" }).catch(() => null);
  return response?.ok ? response.text() : null;
}

export function watch() {
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

filter.addEventListener("change", async () => (await import("./filing.js")).reload());
watch();
if (sessionStorage.getItem(DELETED)) import("./filing.js").then(({ offerUndo }) => offerUndo());
