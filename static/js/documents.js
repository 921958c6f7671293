// The documents page: files dropped or chosen go up one by one; rows follow their state live.
import { csrfToken, fromHtml, socketAddress } from "./page.js";

const list = document.querySelector("[data-documents]");
const form = document.querySelector("[data-upload]");
const problems = document.querySelector("[data-problems]");
const RETRY = 2000; // milliseconds until a lost connection is tried again

function follow() {
  const socket = new WebSocket(socketAddress(`/ws/projects/${list.dataset.project}/documents/`));
  socket.addEventListener("message", (event) => showRow(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => { if (event.code < 4000) setTimeout(follow, RETRY); });
}

function showRow({ id, html }) {
  const old = document.getElementById(`document-${id}`);
  if (!html) {
    old?.remove();
    return;
  }
  const row = fromHtml(html);
  if (!old) {
    document.querySelector("[data-empty]")?.remove();
    list.prepend(row);
  } else if (!old.contains(document.activeElement)) {
    old.replaceWith(row);
  } else {
    setTimeout(() => showRow({ id, html }), 500); // somebody is about to press a button in it
  }
}

async function upload(files) {
  problems.replaceChildren();
  for (const file of files) {
    const row = waitingRow(file);
    document.querySelector("[data-empty]")?.remove();
    list.prepend(row);
    try {
      const { id, error, is_new } = await send(file, row.querySelector("progress"));
      if (error) problem(`${file.name}: ${error}`);
      else if (!is_new) problem(`${file.name}: the same file is here already.`, "info");
      else if (!document.getElementById(`document-${id}`)) row.id = `document-${id}`;
    } catch (error) {
      problem(`${file.name}: ${error.message}`);
    }
    if (!row.id) row.remove();
  }
}

// XMLHttpRequest and not fetch: only it tells how much has gone up.
function send(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("files", file);
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => { progress.value = event.loaded / event.total; });
    request.addEventListener("error", () => reject(new Error("the upload was cut off. Try again.")));
    request.addEventListener("load", () => {
      if (request.status !== 200) reject(new Error(`the server refused it (${request.status}). Reload the page and try again.`));
      else resolve(JSON.parse(request.response).files[0]);
    });
    request.send(body);
  });
}

function waitingRow(file) {
  const row = fromHtml(`<article class="document"><svg class="document-icon"><use href="#i-files"/></svg>
    <div class="document-text"><h2></h2><progress max="1" value="0"></progress></div><span class="badge">Uploading</span></article>`);
  row.querySelector("h2").textContent = file.name;
  return row;
}

function problem(text, kind = "error") {
  const item = document.createElement("li");
  item.className = `notice ${kind}`;
  item.textContent = text;
  problems.append(item);
}

if (form) {
  const input = form.querySelector("input[type=file]");
  const uploadChosen = async () => {
    await upload([...input.files]);
    input.value = "";
  };
  input.addEventListener("change", uploadChosen);
  if (input.files.length) uploadChosen(); // chosen while this file was still being loaded
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); form.classList.add("is-over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop" || !event.relatedTarget) form.classList.remove("is-over");
    });
  }
  document.addEventListener("drop", (event) => upload([...event.dataTransfer.files]));
}

// Delete and retry without leaving the page: the socket brings what came of it.
document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-action]") || event.defaultPrevented) return;
  event.preventDefault();
  document.activeElement?.blur();
  const response = await fetch(event.target.action, {
    // Rows that came over the socket have no token of their own.
    method: "POST", headers: { "X-CSRFToken": csrfToken() }, redirect: "manual",
  });
  if (response.type !== "opaqueredirect") problem("That did not work. Reload the page and try again.");
});

follow();
