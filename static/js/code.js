// Code is copied at the press of its button, which then says so for a while.
import { copyText } from "./clipboard.js";

const SAID = 2000; // milliseconds

export async function copy(button) {
  if (button.dataset.label) return;
  const code = button.closest(".code-block").querySelector("code");
  button.dataset.label = button.textContent;
  if (await copyText(code.textContent)) button.textContent = button.dataset.copyCode;
  else getSelection().selectAllChildren(code);
  setTimeout(() => { button.textContent = button.dataset.label; delete button.dataset.label; }, SAID);
}
