// Code is copied at the press of its button, which then says so for a while.
const SAID = 2000; // milliseconds

export async function copy(button) {
  if (button.dataset.label) return;
  const code = button.closest(".code-block").querySelector("code");
  await navigator.clipboard?.writeText(code.textContent).catch(() => selectAndCopy(code)); // it may be forbidden …
  if (!navigator.clipboard) selectAndCopy(code); // … and without HTTPS there is none
  button.dataset.label = button.textContent;
  button.textContent = button.dataset.copyCode;
  setTimeout(() => { button.textContent = button.dataset.label; delete button.dataset.label; }, SAID);
}

function selectAndCopy(code) {
  getSelection().selectAllChildren(code);
  document.execCommand("copy");
}
