// Another branch of the thread in the place of the one that is shown, without leaving the page. Loaded when used.
import { hint, rescue } from "./composer.js";
import { takeFocus, watch } from "./thread.js";

let latest; // what was asked for last

// Behind an arrow between versions; without one, where the browser's own Back or Forward has led.
export async function turn(arrow, page) {
  const address = arrow?.href ?? location.href, mine = latest = {}, last = page.thread.lastElementChild;
  const response = await fetch(address, { redirect: "manual" }).catch(() => null);
  if (mine !== latest || arrow?.isConnected === false) return;
  if (arrow && last !== page.thread.lastElementChild) return; // something was asked here meanwhile
  if (!response) return hint(gettext("The server is away. Try again."));
  const fetched = response.ok && new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-thread]");
  const change = fetched && compare(page.thread, fetched);
  if (change === null) return;
  // What is being written goes on in a page of its own.
  if (!change || page.thread.ariaBusy === "true") return arrow ? location.assign(address) : location.reload();
  if (arrow) history.pushState(null, "", address);
  const { gone, fresh } = change;
  const left = gone.find((one) => one.contains(arrow ?? document.activeElement)), top = left?.getBoundingClientRect().top;
  await rescue(gone);
  for (const one of gone) one.remove();
  page.thread.append(...fresh);
  if (fresh[0]?.matches("[data-earlier]")) watch(fresh[0], page);
  const message = document.getElementById(location.hash.slice(1)) ?? fresh.find((one) => one.matches(".message"));
  if (left && message) stay(message, arrow?.title, top, page);
  page.scroll.dispatchEvent(new Event("scroll")); // whether its end is in view
}

// What goes and what comes behind the messages that both have; null where they are the same.
function compare(thread, fetched) {
  const messages = [...fetched.querySelectorAll(".message")];
  if (!messages.length) return null;
  const at = messages.findIndex(({ id }) => !document.getElementById(id));
  if (at === 0) return { gone: [...thread.children], fresh: [...fetched.children] };
  const last = document.getElementById(messages.at(at < 0 ? -1 : at - 1).id);
  const gone = [...thread.children].slice([...thread.children].indexOf(last) + 1);
  return at < 0 && !gone.length ? null : { gone, fresh: at < 0 ? [] : messages.slice(at) };
}

// The message stands where the other stood, and the same arrow has the focus.
function stay(message, title, top, page) {
  page.scroll.scrollTop += message.getBoundingClientRect().top - top;
  const arrows = [...message.querySelectorAll(".branches a")], arrow = arrows.find((one) => one.title === title) ?? arrows[0];
  if (!arrow) return takeFocus(message);
  arrow.focus({ preventScroll: true });
  page.tell(interpolate(gettext("Version %s of %s"), message.querySelector("[data-place]").textContent.split("/")));
}
