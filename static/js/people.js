// The members page: copy the link that is shown once.

const button = document.querySelector("[data-copy]");
const text = document.querySelector("[data-copy-text]");

if (button) {
  document.querySelector("[data-made]").focus();
  button.hidden = false;
  button.addEventListener("click", async () => {
    text.select();
    const said = await copy(text.value);
    if (!said) return;
    button.textContent = button.dataset.copied;
    document.querySelector("[data-copy-status]").textContent = button.dataset.copied;
  });
}

// Over plain HTTP there is no clipboard; the older command copies what is selected.
async function copy(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value).then(() => true, () => false);
  return document.execCommand("copy");
}
