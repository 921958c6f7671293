// What keeps a question from being asked for a while, and how it goes on.
import { hint, save } from "./composer.js";

const DRAFTS = 40; // that are kept

// The question is a draft already: after the log-in it stands in the composer again.
export function sessionExpired() {
  save();
  const link = document.createElement("a");
  const project = document.querySelector("[data-composer]").dataset;
  const here = project.new === "yes" ? `/?project=${project.project}` : location.pathname;
  link.href = `/accounts/login/?next=${encodeURIComponent(here)}`;
  link.textContent = gettext("Log in again");
  hint(gettext("You are logged out. What you typed is kept."), " ", link);
}

// A limit is reached: when it frees is counted down, silently.
export function limited(seconds) {
  const end = Date.now() + 1000 * seconds;
  const count = document.createElement("span");
  const draw = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    count.textContent = left > 60 ? interpolate(ngettext("%s minute", "%s minutes", Math.ceil(left / 60)), [Math.ceil(left / 60)])
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
