// The panel beside the thread, in which a citation shows its passage.

const panel = document.querySelector("[data-panel]");
const body = document.querySelector("[data-panel-body]");
const title = document.querySelector("[data-panel-title]");
let opener = null;

export function openPanel(cite) {
  const source = document.getElementById(cite.hash.slice(1));
  if (!source) return;
  opener = cite;
  title.textContent = `Source ${cite.dataset.source}`;
  body.replaceChildren(...source.cloneNode(true).childNodes);
  panel.hidden = false;
  document.body.classList.add("panel-shown");
  title.focus();
}

// Whether there was anything to close.
export function closePanel() {
  if (panel.hidden) return false;
  panel.hidden = true;
  document.body.classList.remove("panel-shown");
  opener?.focus();
  return true;
}
