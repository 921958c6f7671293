// What every page has: theme, side bar, confirmations, code to copy.

const themes = () => import("./themes.js");

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-theme-button], [data-toggle-sidebar]");
  if (!target) {
    if (document.body.classList.contains("sidebar-shown") && !event.target.closest(".sidebar")) document.body.classList.remove("sidebar-shown");
  } else if (target.matches("[data-theme-button]")) {
    themes().then(({ next }) => next());
  } else {
    showSidebar(!document.body.classList.contains("sidebar-shown"));
  }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else if (event.target.matches("[data-log-out]")) {
    // What was typed and not sent leaves this machine with its writer.
    for (const key of Object.keys(localStorage)) if (/^(draft|queued):/.test(key)) localStorage.removeItem(key);
    localStorage.setItem("left", Date.now()); // the other tabs hear of it
  }
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !document.body.classList.contains("sidebar-shown")) return;
  event.preventDefault(); // it stops no answer
  showSidebar(false);
});

// Ctrl+K or Cmd+K, on every page that somebody has logged in to.
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") openPalette(event);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-palette]")) openPalette(event);
  const code = event.target.closest("[data-copy-code]");
  if (code) import("./code.js").then(({ copy }) => copy(code));
});

async function openPalette(event) {
  if (!document.querySelector(".sidebar")) return;
  event.preventDefault();
  const ahead = typeAhead();
  const { open } = await import("./palette.js").catch((error) => { ahead.leave(); throw error; });
  open(ahead);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

if (document.documentElement.dataset.theme) themes();
reachScrolling();
window.addEventListener("resize", reachScrolling);

// What scrolls by itself can be scrolled with the keys: not every browser sees to that.
function reachScrolling() {
  for (const part of document.querySelectorAll("main :is(.scroll, .wide, pre, table, blockquote)")) {
    if (part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1) part.tabIndex = 0;
  }
}

function showSidebar(shown) {
  document.body.classList.toggle("sidebar-shown", shown);
  document.querySelector(shown ? ".sidebar a" : ".sidebar-open").focus();
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
