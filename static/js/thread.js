// What a thread needs now and then: earlier messages, and a look at what the server has of a message.
import { fromHtml } from "./page.js";

const KEPT = 80; // messages in the page: the earliest leave it, and come back when one scrolls up
const POLL = 1000; // milliseconds between looks at an answer whose writer is gone

async function fetchMessage(id, { conversation }) {
  const response = await fetch(`/chat/${conversation}/messages/${id}/`, { redirect: "manual" }).catch(() => null);
  return response?.ok ? fromHtml(await response.text()) : null;
}

// For what comes in the place of something that had the focus.
export function takeFocus(element) {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

// A question and its answer as the server has them: with their place among the branches, and what can be done there.
// One in which something is being written stays.
export async function refresh(article, page) {
  for (const shown of [article, article.previousElementSibling]) {
    const fresh = shown?.dataset.message && await fetchMessage(shown.dataset.message, page);
    if (!fresh || page.isCurrent(shown) || shown.querySelector("form")) continue;
    const hasFocus = shown.contains(document.activeElement);
    shown.replaceWith(fresh);
    if (hasFocus) takeFocus(fresh);
  }
}

// An answer whose writer is gone, or was over before we came: look until it is known how it ended.
export async function look(article, page) {
  if (article.dataset.looking) return;
  article.dataset.looking = "yes";
  while (article.isConnected) {
    const shown = await fetchMessage(article.dataset.message, page);
    if (article.dataset.status !== "streaming") return; // it was told meanwhile
    if (shown && shown.dataset.status !== "streaming") {
      const isCurrent = page.isCurrent(article);
      article.replaceWith(shown);
      if (isCurrent) {
        page.over();
        page.tell(gettext("Answer complete."));
      }
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

export function trim({ thread, ...page }) {
  const messages = [...thread.querySelectorAll(".message")];
  for (const message of messages.slice(0, messages.length - KEPT)) message.remove();
  offerEarlier({ thread, ...page });
}

function offerEarlier(page) {
  const first = page.thread.querySelector(".message")?.dataset.message;
  page.thread.querySelector("[data-earlier]")?.remove();
  if (!first) return;
  const line = fromHtml(document.querySelector("[data-earlier-template]").innerHTML);
  line.querySelector("a").href = `?before=${first}`;
  page.thread.prepend(line);
  watch(line, page);
}

// Earlier messages come when one scrolls to where they stand.
export function watch(line, page) {
  const { scroll } = page;
  new IntersectionObserver(async ([entry], observer) => {
    if (!entry.isIntersecting || page.isPinned()) return;
    observer.disconnect();
    const response = await fetch(line.querySelector("a").href).catch(() => null);
    if (!response?.ok || !line.isConnected) return;
    const earlier = new DOMParser().parseFromString(await response.text(), "text/html");
    const height = scroll.scrollHeight;
    line.replaceWith(...earlier.querySelectorAll("[data-thread] > .message"));
    scroll.scrollTop += scroll.scrollHeight - height;
    if (earlier.querySelector("[data-earlier]")) offerEarlier(page);
  }, { root: scroll, rootMargin: "600px" }).observe(line);
}
