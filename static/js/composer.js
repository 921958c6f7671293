// The composer: what is asked, and of what. What is used seldom comes when it is.
const $ = (name) => document.querySelector(`[data-${name}]`);
export const form = $("composer"), text = $("text"), data = form.dataset;
const sendButton = $("send"), stopButton = $("stop"), model = $("model"), storage = localStorage;
const PAUSE = 3000; // milliseconds between looks whether the server is back

export let picks = []; // { kind, value, name }: what the question is restricted to
let isBusy = false;
let send = () => {};

export const use = (name) => import(`./${name}.js`);
// After an answer that no model wrote, and as long as the page says that none answers.
export const checkModel = (isDoubtful) => (isDoubtful || $("outage").firstChild) && use("outage").then(({ look }) => look());
export const condition = async (name, ...facts) => (await use("conditions"))[name](...facts);

// `ask(question, options)` is called to send: options are { model, filters } or undefined.
export function onSend(ask, stop) {
  send = ask;
  stopButton.addEventListener("click", stop);
  resume();
}

export function setBusy(busy) {
  isBusy = busy;
  if (matchMedia("(hover)").matches && document.activeElement === (busy ? sendButton : stopButton)) text.focus();
  sendButton.hidden = busy;
  stopButton.hidden = !busy;
  if (!busy && $("passing")) hint();
}

// Nothing was stored of this question: it goes back, before what was typed meanwhile.
export function giveBack(question) {
  place = placeOf();
  write([question, text.value].filter(Boolean).join("\n\n"));
}

// What is being edited in messages that leave the page comes here.
export async function rescue(leaving) {
  const boxes = leaving.flatMap((message) => [...message.querySelectorAll("form.edit textarea")]);
  if (boxes.length) await condition("edited", boxes);
}

export function write(words) {
  text.value = words;
  changed();
}

export function restrict(chosen) {
  picks = chosen;
  changed();
}

export const hint = (...parts) => $("hint").replaceChildren(...parts);

// --- Drafts, of a conversation or of a new one in the project ---

const placeOf = () => `${data.user}:${data.new === "yes" ? data.project : data.conversation}`;
let place = placeOf();
const read = (what) => JSON.parse(storage.getItem(`${what}:${place}`));
const keep = (what, values) => {
  storage.setItem(`${what}:${place}`, JSON.stringify({ conversation: data.conversation, at: Date.now(), ...values }));
};

export function save() {
  const files = data.hasFiles === "yes";
  if (text.value || picks.length || files) keep("draft", { text: text.value, picks, files });
  else storage.removeItem(`draft:${place}`);
}

function restore() {
  const draft = read("draft"), waiting = read("queued");
  // A new chat goes on under the id that its files, or its waiting question, have already.
  const begun = waiting ?? (draft?.files ? draft : null);
  if (begun) data.conversation = form.elements.conversation.value = begun.conversation;
  if (draft?.files) data.hasFiles = "yes";
  picks = draft?.picks ?? [];
  write(text.value || draft?.text || "");
}

// --- Sending ---

function submit() {
  const question = text.value;
  if (isBusy || !question.trim() || read("queued")) return; // one at a time: what does not go stays in the field
  const values = (kind) => picks.filter((one) => one.kind === kind).map((one) => one.value);
  const filters = picks.length ? { documents: values("document"), tags: values("tag") } : undefined;
  const options = model || filters ? { model: model?.value, filters } : undefined;
  text.value = "";
  hint();
  (navigator.onLine ? deliver : queue)(question, options);
  changed();
}

export function deliver(question, options) {
  storage.removeItem(`draft:${place}`);
  place = `${data.user}:${data.conversation}`;
  save();
  send(question, options);
}

// The server cannot be reached: the question waits, over a reload too, and is sent once when it is back.
export function queue(question, { model, filters } = {}) {
  place = placeOf();
  keep("queued", { question, options: { model, filters } });
  save();
  setTimeout(resume);
}

async function resume() {
  const waiting = read("queued"), back = $("take-back");
  back.hidden = !waiting;
  if (!waiting) return;
  hint(gettext("No connection. To be sent when it is back:"), ` “${waiting.question}”`);
  back.onclick = () => {
    storage.removeItem(`queued:${place}`);
    back.hidden = true;
    hint();
    giveBack(waiting.question);
  };
  // That it loads says that the server is there.
  const found = await import(`./waiting.js?${Date.now()}`).catch(() => null);
  if (found && !isBusy) found.sendOnce(`queued:${place}`);
  else setTimeout(resume, PAUSE);
}

// --- The field ---

function changed() {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 240)}px`;
  save();
  $("estimate").replaceChildren();
  if (text.value.length > 600) use("estimate").then(({ show }) => show());
  if (picks.length || $("picks").firstChild) use("picks").then(({ draw }) => draw());
  if (text.value.includes("#") || $("picking")) use("picker").then(({ look }) => look());
}

form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
text.addEventListener("input", changed);
text.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && !text.value) [...document.querySelectorAll(".question [data-act=edit]")].at(-1)?.click();
});
text.addEventListener("paste", ({ clipboardData: { types, files } }) => {
  const pasted = [...files];
  if (pasted.length && !types.includes("text/plain")) use("attachments").then(({ offer }) => offer(pasted));
});
// The page keeps what is dropped before attachments.js is there; a browser would open it, and leave.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    const { types, files } = event.dataTransfer ?? {};
    if (!types?.includes("Files")) return;
    event.preventDefault();
    const dropped = name === "drop" ? [...files] : [];
    use("attachments").then(({ offer }) => offer(dropped));
  });
}
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-use]");
  if (button) use(button.dataset.use).then(({ show }) => show(button));
});
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "?" && !target.closest("input, textarea, select, dialog")) use("shortcuts").then(({ show }) => show());
});

if (model) {
  const usual = storage.getItem("model");
  if ([...model.options].some(({ value }) => value === usual)) model.value = usual;
  model.addEventListener("change", () => storage.setItem("model", model.value));
}
restore();
if (data.hasFiles === "yes") use("attachments");
if (storage.length > 60) condition("prune");
if ($("live")) use("welcome");
checkModel();
