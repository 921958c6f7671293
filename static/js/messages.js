// What one does with a message now and then: copy, edit, judge, delete. Loaded at the first use.
import { copyText } from "./clipboard.js";
import { loadStyle } from "./drawing.js";
import { fromHtml, post } from "./page.js";
import { takeFocus } from "./thread.js";
import { words } from "./words.js";

const address = (article, { conversation }) => `/chat/${conversation}/messages/${article.dataset.message}/`;

// Ask in the place of a message: what stood there, and all behind it, is on another branch then.
function instead(article, page, text, message) {
  const all = [...page.thread.children];
  page.ask(text, message, all.slice(all.indexOf(article)));
  if (!article.isConnected) takeFocus(page.thread.lastElementChild);
}

async function copied(button, text, page) {
  const menu = button.closest("details"), shown = menu?.querySelector("summary") ?? button;
  menu?.removeAttribute("open");
  shown.focus();
  if (!await copyText(text)) return page.tell(gettext("This could not be copied. Try again."));
  shown.classList.add("done");
  page.tell(gettext("Copied"));
  setTimeout(() => shown.classList.remove("done"), 1500);
}

export function copy(article, button, page) {
  return copied(button, words(article.querySelector("[data-body], .bubble")), page);
}

export async function markdown(article, button, page) {
  const response = await fetch(`${address(article, page)}markdown/`).catch(() => null);
  if (!response?.ok) return page.tell(gettext("This could not be copied. Try again."));
  return copied(button, await response.text(), page);
}

export async function edit(article, _button, page) {
  await loadStyle("forms");
  if (article.querySelector("form")) return;
  const bubble = article.querySelector(".bubble"), actions = article.querySelector(".actions");
  const form = fromHtml(document.querySelector("[data-edit-template]").innerHTML);
  const text = form.elements.text;
  const close = () => { form.remove(); bubble.hidden = actions.hidden = false; article.querySelector("[data-act=edit]").focus(); };
  text.value = text.defaultValue = bubble.innerText;
  bubble.hidden = actions.hidden = true;
  article.append(form);
  text.style.height = `${Math.min(text.scrollHeight + 2, 320)}px`;
  text.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim() || page.thread.ariaBusy === "true") return; // one at a time: what does not go stays in the field
    close();
    instead(article, page, text.value.trim(), { branch: { edit: article.dataset.message } });
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.preventDefault(); close(); }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target === text) { event.preventDefault(); form.requestSubmit(); }
  });
  form.querySelector("[data-cancel]").addEventListener("click", close);
}

// Another answer to a question, by the model that the button names, or the rest of one.
export const regenerate = (article, button, page) =>
  instead(article, page, "", { branch: { regenerate: article.dataset.message }, model: button.dataset.by });

const goOn = (article, _button, page) => instead(article, page, "", { branch: { continue: article.dataset.message } });

export async function good(article, button, page) {
  await rate(article, page, { rating: button.getAttribute("aria-pressed") === "true" ? "none" : "good" });
}

export async function bad(article, button, page) {
  if (button.getAttribute("aria-pressed") === "true") return rate(article, page, { rating: "none" });
  if (!await rate(article, page, { rating: "bad" })) return;
  await loadStyle("forms");
  if (article.querySelector("form")) return;
  const form = fromHtml(document.querySelector("[data-feedback-template]").innerHTML);
  const cached = form.querySelector("[value=cached]");
  if (!article.querySelector("[data-cached]")) cached.parentElement.remove();
  article.append(form);
  form.scrollIntoView({ block: "nearest" });
  form.querySelector("input").focus();
  const close = () => { form.remove(); article.querySelector("[data-act=bad]").focus(); };
  form.querySelector("[data-cancel]").addEventListener("click", close);
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.preventDefault(); close(); } });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = Object.fromEntries(new FormData(form));
    if (await rate(article, page, { rating: "bad", ...said })) close();
    if (said.reason === "cached") page.refresh(article);
  });
}

async function rate(article, page, fields) {
  const response = await post(`${address(article, page)}feedback/`, fields);
  if (!response?.ok) {
    page.tell(gettext("This could not be saved. Try again."));
    return false;
  }
  for (const name of ["good", "bad"]) {
    article.querySelector(`[data-act=${name}]`)?.setAttribute("aria-pressed", fields.rating === name);
  }
  page.tell(fields.rating === "none" ? gettext("Taken back") : gettext("Thank you."));
  return true;
}

// A cached answer is wrong: it leaves the cache, for everybody.
export async function wrong(article, button, page) {
  button.disabled = true;
  const response = await post(`${address(article, page)}wrong/`);
  button.disabled = Boolean(response?.ok);
  page.tell(response?.ok ? gettext("Reported. The answer is out of the cache.") : gettext("This could not be reported. Try again."));
  if (response?.ok) await page.refresh(article);
}

async function remove(article, _button, page) {
  const isQuestion = article.matches(".question");
  if (!confirm(isQuestion ? gettext("Delete this question, its answers and all that follows?") : gettext("Delete this answer and all that follows?"))) return;
  const response = await post(`${address(article, page)}delete/`);
  if (!response?.ok) return page.tell(gettext("This could not be deleted. Try again."));
  location.assign(`/chat/${page.conversation}/`);
}
export { goOn as continue, remove as delete };
