// What keeps a question from being asked for a while, and how it goes on.
import { data, giveBack, hint, picks, save, text } from "./composer.js";

const DRAFTS = 40; // that are kept

// The question is a draft already: after the log-in it stands in the composer again.
export function sessionExpired() {
  save();
  const link = document.createElement("a");
  const here = data.new === "yes" ? `/?project=${data.project}` : location.pathname;
  link.href = `/accounts/login/?next=${encodeURIComponent(here)}`;
  link.textContent = gettext("Log in again");
  hint(gettext("You are logged out. What you typed is kept."), " ", link);
}

// A question was refused, for a reason, and is in the composer again. What it went on with may be gone, deleted elsewhere:
// then it begins a new chat, or the page shows what is left.
export async function refused({ type, message, code, retry_after: seconds }) {
  if (seconds) return limited(seconds);
  const told = document.createElement("span"), link = document.createElement("a");
  told.className = "refusal";
  told.textContent = text.value ? `${message} ${gettext("What you typed is kept.")}` : message;
  if (type === "refused") told.dataset.passing = ""; // until what is written there is written
  hint(told);
  if (code !== "not_found" || data.new === "yes") return;
  const page = await fetch(location.pathname, { redirect: "manual" }).catch(() => null);
  if (page?.ok) Object.assign(link, { href: location.pathname, textContent: gettext("Show what is there") });
  else if (page?.status !== 404) return;
  else Object.assign(link, { href: `/?project=${data.project}`, textContent: gettext("Ask in a new chat") });
  link.addEventListener("click", () => page.ok || moveDraft());
  hint(told, " ", link);
}

// The messages that were being edited have left the page: another tab was quicker.
export function edited(boxes) {
  for (const { value, defaultValue } of boxes) {
    if (value === defaultValue) continue;
    giveBack(value);
    hint(gettext("What you typed is kept."));
  }
}

// What was typed here, to where the new chat in the project looks for it.
function moveDraft() {
  const place = `draft:${data.user}:${data.project}`, { text: before } = JSON.parse(localStorage.getItem(place)) ?? {};
  const words = [before, text.value].filter(Boolean).join("\n\n");
  localStorage.setItem(place, JSON.stringify({ at: Date.now(), text: words, picks }));
  localStorage.removeItem(`draft:${data.user}:${data.conversation}`);
}

// A limit is reached: when it frees is counted down, silently.
export function limited(seconds) {
  const end = Date.now() + 1000 * seconds;
  const count = document.createElement("span");
  const draw = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    count.textContent = left >= 60 ? interpolate(ngettext("%s minute", "%s minutes", Math.ceil(left / 60)), [Math.ceil(left / 60)])
      : interpolate(ngettext("%s second", "%s seconds", left), [left]);
    if (!count.isConnected) return;
    if (left > 0) setTimeout(draw, 1000);
    else hint(gettext("You can ask again."));
  };
  hint(gettext("The limit is reached. It frees in"), " ", count);
  count.ariaLive = "off";
  draw();
}

// The oldest drafts go; a message box is no archive.
export function prune() {
  const drafts = Object.keys(localStorage).filter((key) => key.startsWith("draft:"));
  const age = (key) => JSON.parse(localStorage.getItem(key)).at;
  drafts.sort((a, b) => age(b) - age(a)).slice(DRAFTS).forEach((key) => localStorage.removeItem(key));
}
