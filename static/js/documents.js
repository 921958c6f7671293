// The documents page: rows follow their state live, and nothing that is pressed here leaves the page,
// so that uploads go on. Without this file every form and link works by itself.
import { csrfToken, fromHtml, socketAddress } from "./page.js";
import { countTicks, floatBulk } from "./selection.js";
import { tell } from "./notices.js";
import "./uploads.js";

const RETRY = 2000; // milliseconds until a lost connection is tried again
const library = () => document.querySelector("[data-library]");
let socket = null;

// --- Rows and counts -----------------------------------------------------------------------------

function follow() {
  const query = location.search;
  const opened = new WebSocket(socketAddress(`/ws/projects/${library().dataset.project}/documents/${query}`));
  socket = opened;
  opened.addEventListener("message", (event) => { if (socket === opened) show(JSON.parse(event.data)); });
  opened.addEventListener("close", (event) => {
    if (socket === opened && event.code < 4000) setTimeout(() => { if (socket === opened) follow(); }, RETRY);
  });
}

function show({ ids, rows, summary }) {
  const list = document.querySelector("[data-documents]");
  replaceUnlessBusy(document.querySelector("[data-summary]"), summary);
  if (ids.length && list.querySelector("[data-empty]")) return turnTo(location.href, false); // now it has a head
  for (const row of list.querySelectorAll("article.document")) {
    if (!ids.includes(row.id.slice("document-".length))) row.remove();
  }
  let before = null; // the row above
  for (const id of ids) {
    const old = document.getElementById(`document-${id}`);
    if (old && rows[id]) replaceUnlessBusy(old, rows[id]);
    const row = old || !rows[id] ? document.getElementById(`document-${id}`) : fromHtml(rows[id]);
    if (row) {
      const place = before ? before.nextElementSibling : list.querySelector("article.document");
      if (row !== place && !row.contains(document.activeElement)) list.insertBefore(row, place);
      before = row;
    }
  }
  if (!ids.length && !list.querySelector("[data-empty]")) turnTo(location.href, false);
  tellTimes();
  countTicks();
}

// Somebody who is about to press a button in it gets the new one a moment later.
function replaceUnlessBusy(old, html) {
  if (old.contains(document.activeElement) && document.activeElement.matches("button, a")) {
    setTimeout(() => { if (old.isConnected) replaceUnlessBusy(old, html); }, 500);
    return;
  }
  const fresh = fromHtml(html);
  const tick = old.querySelector(".document-tick"), freshTick = fresh.querySelector(".document-tick");
  if (tick && freshTick) freshTick.checked = tick.checked;
  const hadFocus = tick && tick === document.activeElement;
  old.replaceWith(fresh);
  if (hadFocus) freshTick?.focus();
}

// --- Other pages, filters and orders of the same list --------------------------------------------

async function turnTo(address, isNew = true) {
  library().classList.add("is-turning");
  const response = await fetch(address, { redirect: "error" }).catch(() => null);
  if (!response?.ok) { location.assign(address); return; }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("[data-library]");
  const focused = document.activeElement?.id;
  library().replaceWith(document.adoptNode(fresh));
  if (focused) document.getElementById(focused)?.focus();
  if (isNew) history.pushState(null, "", address);
  floatBulk();
  socket?.close();
  follow();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const isPlain = link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (!isPlain || !link.closest("[data-library]") || link.pathname !== location.pathname) return;
  event.preventDefault();
  turnTo(link.href);
});

window.addEventListener("popstate", () => turnTo(location.href, false));

// --- What is done to one document, or to many ----------------------------------------------------

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (event.target.matches("[data-filter]")) {
    event.preventDefault();
    const told = [...new FormData(event.target)].filter(([, value]) => value);
    turnTo(`${location.pathname}?${new URLSearchParams(told)}`);
  }
  if (event.target.matches("[data-bulk]")) {
    event.preventDefault();
    change(event.target, event.submitter);
  }
});

async function change(form, button, confirmed = "") {
  const body = new FormData(form, button);
  if (confirmed) body.set("confirmed", confirmed);
  // Not form.action: its buttons are called that.
  const address = button?.hasAttribute("formaction") ? button.formAction : form.getAttribute("action");
  const row = button?.closest("article.document");
  button?.blur();
  const response = await fetch(address, {
    method: "POST", body, headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" }, redirect: "manual",
  }).catch(() => null);
  const told = await response?.json().catch(() => null);
  if (!told) tell(gettext("That did not work. Reload the page and try again."));
  else if (told.error) tell(told.error);
  else if (told.confirm) {
    if (window.confirm(told.confirm)) await change(form, button, told.count);
  } else {
    tell(told.message, "info"); // the socket brings what came of it
    if (row) return;
    form.querySelector("[name=tags]").value = "";
    for (const tick of document.querySelectorAll(".document-tick:checked")) tick.checked = false;
    countTicks();
  }
}

// --- Time goes on --------------------------------------------------------------------------------

const spans = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function tellTimes() {
  for (const time of document.querySelectorAll(".document time")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? [];
    if (unit !== "day" || seconds < 7 * 86400) time.textContent = unit ? spans.format(-Math.floor(seconds / length), unit) : gettext("just now");
  }
}

setInterval(tellTimes, 20_000);
floatBulk();
follow();
