// The keys, in a dialog.
import { loadStyle } from "./drawing.js";

const KEYS = () => [
  [["Enter"], gettext("Send the question")],
  [["Shift", "Enter"], gettext("Break the line")],
  [["↑"], gettext("Edit the last question, from an empty field")],
  [["#"], gettext("Restrict the question to documents or tags")],
  [["Esc"], gettext("Close what is open, or stop the answer")],
  [["Ctrl", "K"], gettext("Search conversations, documents and actions")],
  [["Ctrl", "Shift", "O"], gettext("Begin a new chat")],
  [["?"], gettext("Show these keys")],
];

let dialog = null;

export async function show() {
  await loadStyle("composer-more");
  dialog ??= make();
  if (!dialog.open) dialog.showModal();
}

function make() {
  const made = document.createElement("dialog");
  made.className = "keys";
  made.setAttribute("aria-labelledby", "keys-title");
  const title = document.createElement("h2"), list = document.createElement("dl"), close = document.createElement("button");
  title.id = "keys-title";
  title.textContent = gettext("Keys");
  for (const [keys, what] of KEYS()) {
    const term = document.createElement("dt"), told = document.createElement("dd");
    keys.forEach((key, i) => {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(i ? " + " : "", cap);
    });
    told.textContent = what;
    list.append(term, told);
  }
  Object.assign(close, { type: "button", className: "button", textContent: gettext("Close") });
  close.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => { if (event.target === made) made.close(); });
  // The page's own Esc would stop the answer.
  made.addEventListener("keydown", (event) => { if (event.key === "Escape") event.stopPropagation(); });
  made.append(title, list, close);
  document.body.append(made);
  return made;
}
