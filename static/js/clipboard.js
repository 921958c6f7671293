// Copying, for every button that does. Loaded when used.

// Whether the text is in the clipboard. A page that came without TLS has none of its own, and it may be forbidden: then the
// older command copies what is selected.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement, area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    (focused.closest("dialog") ?? document.body).append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    focused.focus();
    return isDone;
  }
}
