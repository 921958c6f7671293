// Ticked documents: the bar of what can be done to them floats above the page while there are any.

import { number } from "./uploads.js";

const ticks = () => [...document.querySelectorAll("article.document .document-tick")];
const bar = () => document.querySelector("[data-bulk]");

export function floatBulk() {
  const all = document.querySelector("[data-tick-all]");
  if (all) all.hidden = false;
  bar()?.classList.add("is-floating");
  countTicks();
}

export function countTicks() {
  if (!bar()) return;
  const here = ticks(), count = here.filter((tick) => tick.checked).length;
  const everything = bar().querySelector("[data-bulk-all]");
  const isWhole = count > 0 && count === here.length;
  if (everything) {
    if (!isWhole) everything.checked = false;
    everything.parentElement.hidden = !isWhole; // first the page, then all of them
  }
  bar().querySelector("[data-bulk-count]").textContent =
    everything?.checked ? gettext("All chosen") : interpolate(ngettext("%s chosen", "%s chosen", count), [number(count)]);
  bar().hidden = count === 0;
  document.body.classList.toggle("has-bulk", count > 0);
  const all = document.querySelector("[data-tick-all]");
  if (all) {
    all.checked = isWhole;
    all.indeterminate = count > 0 && !isWhole;
  }
}

let last = null; // the tick that was changed before, for a range with Shift

document.addEventListener("click", (event) => {
  if (!event.target.matches("article.document .document-tick")) return;
  const here = ticks();
  if (event.shiftKey && last?.isConnected) {
    const [from, to] = [here.indexOf(last), here.indexOf(event.target)].sort((a, b) => a - b);
    for (const tick of here.slice(from, to + 1)) tick.checked = event.target.checked;
  }
  last = event.target;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
  if (event.target.matches("[data-tick-all], .document-tick, [data-bulk-all]")) countTicks();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !document.body.classList.contains("has-bulk")) return;
  for (const tick of ticks()) tick.checked = false;
  countTicks();
});
