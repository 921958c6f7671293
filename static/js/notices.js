// What the page has to say, above the list; read out by screen readers.
const MOST = 6;
const list = document.querySelector("[data-notices]");

export function tell(text, kind = "error") {
  const item = document.createElement("li");
  item.className = `notice ${kind}`;
  item.textContent = text;
  list.append(item);
  if (kind === "info") setTimeout(() => item.remove(), 8000);
  while (list.children.length > MOST) list.firstElementChild.remove();
}
