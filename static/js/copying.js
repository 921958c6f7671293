// A button that copies the code beside it.
import { copyText } from "./clipboard.js";

export async function show(button) {
  const code = button.parentElement.querySelector("[data-copied]");
  const status = document.querySelector("[data-status]");
  const isCopied = await copyText(code.textContent);
  if (!isCopied) getSelection().selectAllChildren(code);
  status.textContent = isCopied ? gettext("Copied") : gettext("Selected: copy it with Ctrl+C");
  button.classList.toggle("is-done", isCopied);
}
