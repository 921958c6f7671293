// The queue of uploads: any number of files, a few in a request, two requests at a time.
import { csrfToken } from "./page.js";
import { chosenFiles, droppedFiles } from "./folders.js";

const form = document.querySelector("[data-upload]");
const $ = (name) => document.querySelector(`[data-uploads${name}]`);
const MOST_FILES = 10, MOST_BYTES = 8 * 1024 * 1024; // in a request; a larger file goes alone
const AT_ONCE = 2;
const TRIES = 3, PAUSE = 1500; // milliseconds before a request that was cut off is sent again, more each time
const LISTED = 200; // files with something to say that are listed

const queue = []; // { file, path }
const running = new Set(); // requests
const counts = { files: 0, sent: 0, refused: 0, bytes: 0, arrived: 0 };

// A number as the reader's language writes it.
export function number(value) {
  return value.toLocaleString(document.documentElement.lang);
}

function add(files) {
  if (!files.length) return;
  if (!running.size && !queue.length) begin();
  queue.push(...files);
  counts.files += files.length;
  counts.bytes += files.reduce((sum, { file }) => sum + file.size, 0);
  while (running.size < AT_ONCE && queue.length) work();
  draw();
}

function begin() {
  Object.assign(counts, { files: 0, sent: 0, refused: 0, bytes: 0, arrived: 0 });
  $("-files").replaceChildren();
  $("").hidden = false;
}

async function work() {
  const batch = nextBatch(), request = { loaded: 0 };
  running.add(request);
  const rows = batch.map((item) => line(item));
  try {
    const results = await sendPatiently(batch, request, rows);
    results.forEach((result, i) => settle(rows[i], result));
  } catch (error) {
    rows.forEach((row, i) => { settle(row, { error: error.message }, batch[i]); });
  }
  counts.arrived += batch.reduce((sum, { file }) => sum + file.size, 0);
  counts.sent += batch.length;
  running.delete(request);
  if (queue.length) work();
  draw();
}

function nextBatch() {
  const batch = [queue.shift()];
  let bytes = batch[0].file.size;
  while (queue.length && batch.length < MOST_FILES && bytes + queue[0].file.size <= MOST_BYTES) {
    bytes += queue[0].file.size;
    batch.push(queue.shift());
  }
  return batch;
}

async function sendPatiently(batch, request, rows) {
  for (let tried = 1; ; tried++) {
    try {
      return await send(batch, request, rows);
    } catch (error) {
      if (!error.isPassing || tried === TRIES) throw error;
      await new Promise((resolve) => { setTimeout(resolve, PAUSE * tried); });
    }
  }
}

// XMLHttpRequest and not fetch: only it tells how much has gone up.
function send(batch, state, rows) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(), body = new FormData();
    for (const { file, path } of batch) {
      body.append("files", file);
      body.append("paths", path);
    }
    body.append("together", counts.files); // many wait for what is uploaded by hand
    state.request = request;
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      state.loaded = event.loaded;
      share(event.loaded, batch, rows);
      draw();
    });
    const fail = (words, isPassing) => reject(Object.assign(new Error(words), { isPassing }));
    request.addEventListener("error", () => fail(gettext("The upload was cut off. Try again."), true));
    request.addEventListener("abort", () => fail(gettext("Stopped before it was uploaded.")));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(JSON.parse(request.response).files);
      else fail(interpolate(gettext("The server refused it (%s). Reload the page and try again."), [request.status]), request.status >= 500);
    });
    request.send(body);
  });
}

// A request's bytes belong to its files in their order.
function share(loaded, batch, rows) {
  batch.forEach(({ file }, i) => {
    rows[i].querySelector("progress").value = file.size ? Math.min(1, Math.max(0, loaded / file.size)) : 1;
    loaded -= file.size;
  });
}

function line({ path }) {
  const row = document.createElement("li");
  const name = document.createElement("span"), progress = document.createElement("progress");
  name.className = "name";
  name.textContent = name.title = path;
  Object.assign(progress, { max: 1, value: 0 });
  progress.setAttribute("aria-label", interpolate(gettext("Uploaded of %s"), [path]));
  row.append(name, progress);
  $("-files").prepend(row);
  return row;
}

// A file that was simply accepted is in the list below; what there is to say of the others stays here.
function settle(row, { error, note }, item) {
  row.querySelector("progress").remove();
  if (error) counts.refused += 1;
  if (!error && !note) return row.remove();
  const reason = document.createElement("span");
  reason.className = "reason";
  reason.textContent = error || `${note[0].toUpperCase()}${note.slice(1)}`;
  row.classList.toggle("is-refused", Boolean(error));
  row.append(reason);
  if (item) offerAgain(row, item);
  const settled = $("-files").querySelectorAll("li:not(:has(progress))");
  if (settled.length > LISTED) settled[settled.length - 1].remove();
}

function offerAgain(row, item) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "link-button", textContent: gettext("Try again") });
  button.addEventListener("click", () => {
    row.remove();
    counts.refused -= 1;
    add([item]);
  });
  row.querySelector(".name").after(button);
}

function draw() {
  const isBusy = running.size > 0;
  const loaded = counts.arrived + [...running].reduce((sum, { loaded: bytes }) => sum + bytes, 0);
  $("-progress").value = counts.bytes ? Math.min(1, loaded / counts.bytes) : 1;
  $("-progress").hidden = $("-stop").hidden = !isBusy;
  $("-close").hidden = isBusy;
  const refused = counts.refused ? interpolate(ngettext("%s refused", "%s refused", counts.refused), [number(counts.refused)]) : "";
  if (isBusy) {
    const told = [Math.min(counts.sent + 1, counts.files), counts.files].map(number);
    $("-title").textContent = interpolate(gettext("Uploading %s of %s"), told);
    $("-detail").textContent = [interpolate(gettext("%s of %s"), [amount(loaded), amount(counts.bytes)]), refused].filter(Boolean).join(", ");
  } else {
    const taken = counts.files - counts.refused;
    $("-title").textContent = interpolate(ngettext("%s file uploaded", "%s files uploaded", taken), [number(taken)]);
    $("-detail").textContent = refused;
    if (!$("-files").children.length) $("").hidden = true; // nothing to say: the list below has them
  }
}

function amount(bytes) {
  if (bytes < 1024 * 1024) return interpolate(gettext("%s KB"), [number(Math.max(0, Math.round(bytes / 1024)))]);
  const digits = bytes < 1024 * 1024 * 10 ? 1 : 0;
  const size = (bytes / 1024 / 1024).toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return interpolate(gettext("%s MB"), [size]);
}

function stop() {
  counts.files -= queue.length;
  counts.bytes -= queue.reduce((sum, { file }) => sum + file.size, 0);
  queue.length = 0;
  for (const { request } of running) request?.abort();
}

if (form) {
  const input = form.querySelector("input[type=file]");
  const takeChosen = () => {
    add(chosenFiles(input));
    input.value = "";
  };
  input.addEventListener("change", takeChosen);
  if (input.files.length) takeChosen(); // chosen while this file was still being loaded
  const folder = form.querySelector("[data-folder]");
  folder.hidden = !("webkitdirectory" in input);
  folder.querySelector("button").addEventListener("click", () => {
    input.webkitdirectory = true;
    input.click();
    setTimeout(() => { input.webkitdirectory = false; }, 500);
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); form.classList.add("is-over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop" || !event.relatedTarget) form.classList.remove("is-over");
    });
  }
  document.addEventListener("drop", async (event) => add(await droppedFiles(event.dataTransfer)));
  $("-stop").addEventListener("click", stop);
  $("-close").addEventListener("click", () => { $("").hidden = true; });
  window.addEventListener("beforeunload", (event) => { if (running.size) event.preventDefault(); });
}
