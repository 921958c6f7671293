// Light, dark, or as the system: the theme that is chosen. Loaded when it is, or was.
const NEXT_THEME = { system: "light", light: "dark", dark: "system" };
const THEME_NAMES = { system: gettext("Theme: as the system"), light: gettext("Theme: light"), dark: gettext("Theme: dark") };

export function next() {
  const root = document.documentElement;
  const chosen = NEXT_THEME[root.dataset.theme || "system"];
  if (chosen === "system") {
    delete root.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    root.dataset.theme = chosen;
    localStorage.setItem("theme", chosen);
  }
  name();
}

// The button says which theme there is; the bar of the browser takes the colour of the page.
function name() {
  const theme = document.documentElement.dataset.theme || "system";
  for (const button of document.querySelectorAll("[data-theme-button]")) {
    button.title = THEME_NAMES[theme];
    button.setAttribute("aria-label", THEME_NAMES[theme]);
  }
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    const { scheme } = meta.dataset;
    meta.media = theme === "system" ? `(prefers-color-scheme: ${scheme})` : theme === scheme ? "all" : "not all";
  }
}

name();
