// A button that copies the code beside it.
export async function show(button) {
  const code = button.parentElement.querySelector("[data-copied]");
  const status = document.querySelector("[data-status]");
  try {
    await navigator.clipboard.writeText(code.textContent);
    status.textContent = gettext("Copied");
    button.classList.add("is-done");
  } catch {
    getSelection().selectAllChildren(code); // the address is not secure: the reader copies by hand
    status.textContent = gettext("Selected: copy it with Ctrl+C");
  }
}
