// What a number in an answer stands for: a card beside it, and the panel beside the thread.
import { loadStyle } from "./drawing.js";

const DELAY = 150; // milliseconds before the card comes, and before it goes
const find = (name) => document.querySelector(`[data-${name}]`);
const panel = find("panel"), body = find("panel-body"), title = find("panel-title"), card = find("source-card");
const narrow = matchMedia("(max-width: 62rem)");
let opener, shown; // what opened the panel, and the source in it
let cited, timer; // the number that has the card
await loadStyle("panel");

const rowOf = (cite) => document.getElementById(cite.hash.slice(1))?.closest("[data-source-row]");

function head(row) {
  const line = document.createElement("p");
  line.className = "source-head";
  line.append(...row.querySelector("summary").cloneNode(true).childNodes);
  return line;
}

// --- The card ---

function showCard(cite) {
  const row = rowOf(cite);
  if (!row) return;
  cited = cite;
  card.replaceChildren(head(row), row.querySelector(".passage").cloneNode(true));
  cite.setAttribute("aria-describedby", card.id);
  card.showPopover();
  const at = cite.getBoundingClientRect(), { width, height } = card.getBoundingClientRect();
  const above = at.top - height - 8;
  card.style.left = `${Math.max(8, Math.min(at.left - 16, innerWidth - width - 8))}px`;
  card.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, innerHeight - height - 8)}px`;
}

function hideCard() {
  clearTimeout(timer);
  if (!cited) return false;
  cited.removeAttribute("aria-describedby");
  cited = null;
  card.hidePopover();
  return true;
}

// The pointer may move from the number onto its card; elsewhere the card goes.
export function aim(target) {
  const cite = target?.closest("a.cite");
  clearTimeout(timer);
  if (card.contains(target) || (cite && cite === cited)) return;
  if (cite || cited) timer = setTimeout(() => { hideCard(); if (cite?.isConnected) showCard(cite); }, DELAY);
}

document.addEventListener("pointerover", ({ pointerType, target }) => { if (pointerType !== "touch") aim(target); });
document.addEventListener("focusout", () => aim());
document.addEventListener("scroll", ({ target }) => { if (target !== card) hideCard(); }, true);

// --- The panel ---

export function openPanel(cite) {
  const row = rowOf(cite);
  if (!row) return;
  hideCard();
  loadStyle("panel"); // again, where it did not come at first
  opener = cite;
  show(row);
  panel.hidden = false;
  cover();
  title.focus();
}

// Whether there was anything to close.
export function closePanel() {
  if (hideCard()) return true;
  if (panel.hidden) return false;
  panel.hidden = true;
  cover();
  const again = opener.isConnected ? opener : document.querySelector(`a.cite[href="${opener.hash}"]`);
  again?.focus();
  return true;
}

// On a narrow page the panel lies over the rest, which cannot be reached until it is closed.
function cover() {
  for (const rest of document.querySelectorAll(".skip, .sidebar, .topbar, .thread-column")) rest.inert = !panel.hidden && narrow.matches;
}

function neighbour(move) {
  const rows = [...shown.closest(".sources").querySelectorAll("[data-source-row]")];
  return rows[rows.indexOf(shown) + Number(move.dataset.move)];
}

function show(row) {
  shown = row;
  title.textContent = title.dataset.panelTitle.replace("%s", row.dataset.sourceRow);
  body.replaceChildren(head(row), ...row.querySelector(".source-body").cloneNode(true).childNodes);
  body.scrollTop = 0;
  body.querySelector("img")?.addEventListener("error", ({ target }) => target.parentElement.remove());
  for (const move of panel.querySelectorAll("[data-move]")) move.disabled = !neighbour(move);
}

document.addEventListener("click", ({ target }) => {
  const move = target.closest("[data-move]");
  if (move) show(neighbour(move));
  else if (!panel.hidden && narrow.matches && !panel.contains(target)) closePanel();
  if (move?.disabled) title.focus();
});
narrow.addEventListener("change", cover);
