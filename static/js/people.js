// The members page: copy the link that is shown once.
import { copyText } from "./clipboard.js";

const button = document.querySelector("[data-copy]");
const text = document.querySelector("[data-copy-text]");

if (button) {
  document.querySelector("[data-made]").focus();
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (!await copyText(text.value)) return text.select();
    button.textContent = button.dataset.copied;
    document.querySelector("[data-copy-status]").textContent = button.dataset.copied;
  });
}
