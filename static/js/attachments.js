// Files that are dropped, pasted or chosen: into the conversation, or into the project, and how far each one is.
import { csrfToken, post } from "./page.js";
import { condition, data, form, hint, save, text } from "./composer.js";
import { icon, loadStyle } from "./drawing.js";

const POLL = 1000; // milliseconds, while a file is being read
const chips = document.querySelector("[data-files]"), status = document.querySelector("[data-status]");
const input = document.querySelector("[data-file-input]");
const items = []; // { id, name, state, percent, error, retryable, note, isProjects, file, request }
const isUnfinished = ({ state }) => !["ready", "failed", "cancelled", "refused"].includes(state);
let timer = 0;
let sending = Promise.resolve(); // one file after the other

loadStyle("composer-more");

export const show = () => input.click();
input.addEventListener("change", () => { offer([...input.files]); input.value = ""; });

for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (event.dataTransfer?.types.includes("Files")) document.body.classList.toggle("is-over", name === "dragover");
  });
}

// Who may add to the project is asked where the files are to go: all of them, when more come before that is answered.
// Whoever leaves the question unanswered keeps them in the conversation.
let undecided = [];

export async function offer(files) {
  if (!files.length) return;
  undecided.push(...files);
  const into = data.mayAdd === "yes" ? await ask(undecided) : "conversation";
  const decided = undecided;
  undecided = [];
  if (document.activeElement === document.body) text.focus();
  if (!into) return;
  for (const file of decided) upload({ name: file.name, state: "waiting", percent: 0, error: "", isProjects: into === "project", file });
}

function ask(files) {
  document.querySelector(".drop-menu")?.remove();
  const menu = document.createElement("div"), title = document.createElement("p");
  menu.className = "drop-menu";
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", gettext("Where to"));
  title.textContent = files.length === 1 ? files[0].name : interpolate(ngettext("%s file", "%s files", files.length), [files.length]);
  const answer = new Promise((done) => {
    const button = (into, label, told) => {
      const made = Object.assign(document.createElement("button"), { type: "button" });
      const strong = document.createElement("strong"), small = document.createElement("small");
      strong.textContent = label;
      small.textContent = told;
      made.append(strong, small);
      made.addEventListener("click", () => done(into));
      return made;
    };
    menu.append(
      title,
      button("conversation", gettext("Into this conversation"), gettext("Only you, and only here")),
      button("project", interpolate(gettext("Into %s"), [data.projectName]), gettext("For everybody in the project")),
    );
    menu.addEventListener("keydown", (event) => {
      const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (step) { event.preventDefault(); document.activeElement[step]?.focus(); }
      if (event.key === "Escape") { event.stopPropagation(); done(null); }
    });
    menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) done("conversation"); });
  });
  form.append(menu);
  menu.querySelector("button").focus();
  return answer.finally(() => menu.remove());
}

function upload(item) {
  const known = items.findIndex((other) => other.name === item.name && other.isProjects === item.isProjects);
  if (known >= 0) items[known] = item; // the same name again is its next version
  else items.push(item);
  draw();
  sending = sending.then(() => (items.includes(item) ? send(item) : null)).then(draw);
}

// XMLHttpRequest and not fetch: only it tells how much has gone up.
function send(item) {
  return new Promise((done) => {
    const request = new XMLHttpRequest(), body = new FormData();
    body.append(item.isProjects ? "files" : "file", item.file, item.name);
    body.append("project", data.project);
    request.open("POST", item.isProjects ? `/projects/${data.project}/documents/upload/` : `/chat/${data.conversation}/files/`);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    Object.assign(item, { state: "sending", request });
    request.upload.addEventListener("progress", ({ loaded, total }) => { item.percent = Math.round((100 * loaded) / total); draw(); });
    request.addEventListener("error", () => refuse(item, gettext("The upload was cut off."), true));
    request.addEventListener("load", () => take(item, request));
    request.addEventListener("loadend", done);
    request.send(body);
  });
}

function take(item, request) {
  if (new URL(request.responseURL).pathname.startsWith("/accounts/login/")) {
    refuse(item, gettext("You are logged out."), true);
    return condition("sessionExpired");
  }
  let answer;
  try {
    answer = JSON.parse(request.response);
  } catch {
    return refuse(item, interpolate(gettext("The server refused it (%s)."), [request.status]), request.status >= 500);
  }
  if (item.isProjects && answer.files) answer = answer.files[0];
  if (answer.error && !answer.state) return refuse(item, answer.error, answer.retryable);
  Object.assign(item, { id: answer.id, name: answer.name, state: answer.state ?? (answer.id ? "queued" : "ready"), percent: 0, note: answer.note });
  if (!item.isProjects && data.hasFiles !== "yes") {
    data.hasFiles = "yes";
    save();
  }
  look();
}

// `retryable`: whether the same file may be taken another time.
function refuse(item, reason, retryable) {
  Object.assign(item, { state: "refused", error: reason, retryable });
  status.textContent = `${item.name}: ${reason}`;
}

// How far the files are that the server has.
async function look() {
  clearTimeout(timer);
  const query = new URLSearchParams({ project: data.project });
  for (const { id, isProjects } of items) if (id && isProjects) query.append("document", id);
  const response = await fetch(`/chat/${data.conversation}/files/?${query}`, { redirect: "manual" }).catch(() => null);
  if (response?.type === "opaqueredirect") return condition("sessionExpired");
  for (const found of response?.ok ? (await response.json()).files : []) {
    let item = items.find(({ id }) => id === found.id);
    if (!item) items.push(item = { id: found.id, name: found.name, state: "ready", isProjects: !found.is_attached });
    const before = item.state;
    if (!["waiting", "sending"].includes(before)) Object.assign(item, { state: found.state, percent: found.percent, error: found.error, retryable: found.retryable });
    if (before !== item.state && !isUnfinished(item)) status.textContent = `${item.name}: ${told(item)}`;
  }
  draw();
  if (items.some((item) => item.id && isUnfinished(item))) timer = setTimeout(look, POLL);
}

function draw() {
  chips.hidden = !items.length;
  const focused = chips.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  chips.replaceChildren(...items.map(chip));
  if (focused) (chips.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? text).focus();
  const unread = items.filter(isUnfinished).length;
  const said = unread ? interpolate(ngettext("%s file is still being read: a question sent now does not search it yet.", "%s files are still being read: a question sent now does not search them yet.", unread), [unread]) : "";
  if (said !== draw.said) hint(said);
  draw.said = said;
}

function chip(item) {
  const made = document.createElement("li"), name = document.createElement("span"), state = document.createElement("span");
  made.className = "chip is-file";
  made.dataset.state = item.state;
  name.textContent = name.title = item.name;
  state.className = "chip-state";
  state.textContent = told(item);
  made.append(icon("files"), name, state);
  if (["failed", "refused"].includes(item.state) && item.retryable) made.append(button(item, "retry", gettext("Try %s again"), () => again(item)));
  made.append(button(item, "close", item.isProjects ? gettext("Hide %s") : gettext("Remove %s"), () => remove(item)));
  return made;
}

function button(item, kind, label, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", ariaLabel: interpolate(label, [item.name]) });
  made.dataset.key = `${kind}:${item.id ?? item.name}`;
  made.append(icon(kind));
  made.addEventListener("click", act);
  return made;
}

function told({ state, percent, error, isProjects, note }) {
  if (state === "sending") return interpolate(gettext("Uploading %s %"), [percent]);
  if (state === "waiting") return gettext("Waiting");
  if (state === "ready" && note) return note[0].toUpperCase() + note.slice(1);
  if (state === "ready") return isProjects ? gettext("Ready, in the project") : gettext("Ready");
  if (state === "cancelled") return gettext("Cancelled");
  if (error) return error;
  return state === "embedding" ? interpolate(gettext("Reading %s %"), [percent]) : gettext("Reading");
}

async function again(item) {
  if (item.file && item.state === "refused") return upload(item);
  const address = item.isProjects ? `/projects/${data.project}/documents/${item.id}/retry/` : `/chat/${data.conversation}/files/${item.id}/retry/`;
  const response = await post(address);
  if (!response?.ok) return refuse(item, gettext("This could not be done. Try again."), true);
  Object.assign(item, { state: "queued", error: "" });
  look();
}

async function remove(item) {
  item.request?.abort();
  if (item.id && !item.isProjects && !(await post(`/chat/${data.conversation}/files/${item.id}/remove/`))?.ok) {
    status.textContent = gettext("This could not be done. Try again.");
    return;
  }
  if (!items.includes(item)) return; // removed twice
  items.splice(items.indexOf(item), 1);
  if (data.hasFiles === "yes" && !items.some(({ id, isProjects }) => id && !isProjects)) data.hasFiles = "no";
  save();
  draw();
  text.focus();
}

if (data.hasFiles === "yes") look();
