// The numbers of sources. What shows a source is loaded when a number is pointed at.
const sources = () => import("./sources.js");

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, async (event) => {
    const cite = event.target.closest?.("a.cite");
    if (cite && event.pointerType !== "touch" && (kind !== "focusin" || cite.matches(":focus-visible"))) (await sources()).aim(cite);
  });
}

document.addEventListener("click", async (event) => {
  const cite = event.target.closest("a.cite");
  if (cite) { event.preventDefault(); (await sources()).openPanel(cite); }
  if (event.target.closest("[data-close-panel]")) closePanel();
});

export async function closePanel() {
  return document.querySelector("[data-panel]:not([hidden]), [data-source-card]:popover-open") && (await sources()).closePanel();
}
