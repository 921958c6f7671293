// A page of ours in a dialog: what a link would open, its forms sent from where one is. Loaded when used.
import { copyText } from "./clipboard.js";
import { loadStyle } from "./drawing.js";
import { fromHtml } from "./page.js";

export async function open(address, saved) {
  const [response] = await Promise.all([fetchPart(address), loadStyles(), loadStyle("fields")]);
  if (!response?.ok) return location.assign(address);
  const dialog = fromHtml(`<dialog class="sheet-dialog" aria-labelledby="sheet-title"><div class="sheet-body"></div>
    <button type="button" class="icon-button sheet-close"><svg><use href="#i-close"/></svg></button></dialog>`);
  const [body, close] = dialog.children;
  close.setAttribute("aria-label", gettext("Close"));
  fill(body, await response.text());
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || close.contains(event.target)) dialog.close();
    if (event.target.matches("[data-copy]")) copy(event.target);
  });
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, dialog, body, saved);
  });
  dialog.showModal();
  body.querySelector("input:not([type=hidden]), select")?.focus();
}

async function send(form, dialog, body, saved) {
  const response = await fetchPart(form.action, { method: "POST", body: new FormData(form) });
  const isJson = response?.headers.get("Content-Type")?.includes("json");
  const answer = isJson ? await response.json() : await response?.text();
  if (!response?.ok) {
    (form.querySelector("[data-error]") ?? body.querySelector("[data-error]")).textContent =
      answer?.error ?? gettext("This did not work. Try again.");
  } else if (isJson) {
    dialog.close();
    saved(answer);
  } else {
    fill(body, answer);
    (body.querySelector("[data-copy]") ?? body.querySelector("button")).focus();
  }
}

function fetchPart(address, init = {}) {
  const headers = { "X-Part": "1", Accept: "application/json" };
  return fetch(address, { ...init, headers, redirect: "manual" }).catch(() => null);
}

function fill(body, html) {
  body.innerHTML = html;
  for (const button of body.querySelectorAll("[data-copy]")) button.hidden = false;
}

async function copy(button) {
  const link = button.previousElementSibling;
  const isCopied = await copyText(link.value);
  link.select();
  button.textContent = isCopied ? gettext("Copied") : gettext("Press Ctrl+C");
}

export function loadStyles() {
  const href = new URL("../css/sheets.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"], link[href="${new URL(href).pathname}"]`)) return null;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
  return new Promise((resolve) => { link.onload = link.onerror = resolve; });
}
