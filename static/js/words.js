// The words of an answer as plain text: lists keep their signs, tasks their boxes, formulas a line that can be read.
const JOINED = { msup: "^", msub: "_", mover: "^", munder: "_", msubsup: "_^", munderover: "_^" };
const grouped = (part) => (part.length > 1 ? `(${part})` : part);

export function words(shown) {
  const body = shown.cloneNode(true);
  for (const extra of body.querySelectorAll("a.cite, button, .language, .footnote-back")) {
    const before = extra.previousSibling;
    if (extra.matches(".cite") && before?.nodeType === Node.TEXT_NODE) before.data = before.data.trimEnd();
    extra.remove();
  }
  for (const note of body.querySelectorAll(".footnote-ref")) note.textContent = `[${note.textContent}]`;
  for (const formula of body.querySelectorAll("math")) formula.replaceWith(line(formula));
  for (const item of body.querySelectorAll("li")) mark(item);
  document.body.append(body); // innerText knows the lines of what is laid out only
  const text = body.innerText.replaceAll("\u00a0", " ").trim();
  body.remove();
  return text;
}

function mark(item) {
  const list = item.parentElement, box = item.querySelector(":scope > input, :scope > p:first-child > input");
  const words = item.firstElementChild?.matches("p") ? item.firstElementChild : item;
  let sign = list.matches("ol") ? `${list.start + [...list.children].indexOf(item)}.` : "-";
  if (box) sign += box.checked ? " [x]" : " [ ]";
  let depth = 0;
  for (let outer = list.parentElement.closest("li"); outer; outer = outer.parentElement.closest("li")) depth += 1;
  box?.remove();
  words.prepend(`${"\u00a0".repeat(3 * depth)}${sign}${box ? "" : "\u00a0"}`); // a space stands behind a box
}

function line(node) {
  const parts = [...node.children].map(line), name = node.localName;
  if (JOINED[name]) return parts.map((part, i) => (i ? JOINED[name][i - 1] + grouped(part) : part)).join("");
  if (name === "mfrac") return parts.map(grouped).join("/");
  if (name === "msqrt") return `√${grouped(parts.join(""))}`;
  if (name === "mtable" || name === "mtr") return parts.join(name === "mtr" ? ", " : "; ");
  if (parts.length) return parts.join("");
  const text = node.textContent.trim();
  return name === "mo" && /^[=+<>≤≥≠≈→∈×·]$/.test(text) ? ` ${text} ` : text;
}
