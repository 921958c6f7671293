// What every page has: theme, side bar, confirmations, code to copy.
import "./code.js";

const NEXT_THEME = { system: "light", light: "dark", dark: "system" };

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-theme-button], [data-toggle-sidebar]");
  if (!target) {
    if (document.body.classList.contains("sidebar-shown") && !event.target.closest(".sidebar")) showSidebar(false);
  } else if (target.matches("[data-theme-button]")) {
    nextTheme(target);
  } else {
    showSidebar(!document.body.classList.contains("sidebar-shown"));
  }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

// On a narrow page the chosen tab may lie beyond the edge.
for (const chosen of document.querySelectorAll(".tabs [aria-current], .states [aria-current]")) {
  chosen.scrollIntoView({ inline: "center", block: "nearest" });
}

function nextTheme(button) {
  const root = document.documentElement;
  const next = NEXT_THEME[root.dataset.theme || "system"];
  if (next === "system") {
    delete root.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    root.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  button.title = `Theme: ${next}`;
}

function showSidebar(shown) {
  document.body.classList.toggle("sidebar-shown", shown);
  if (shown) document.querySelector(".sidebar a")?.focus();
}

export function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]").value;
}

// Send fields to a view of ours. The response, or null when the server is away or asks for a log-in.
export async function post(path, fields = {}) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
    body: fields instanceof FormData ? fields : new URLSearchParams(fields),
    redirect: "manual",
  }).catch(() => null);
  return response?.type === "opaqueredirect" ? null : response;
}

// An element from a piece of HTML that the server rendered.
export function fromHtml(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

export function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
