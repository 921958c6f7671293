// The chat page. The server renders everything; this file puts what it sends into place.
import { closePanel } from "./cites.js";
import { Connection } from "./connection.js";
import { checkModel, condition, giveBack, hint, onSend, queue, rescue, setBusy } from "./composer.js";
import "./conversations.js";
import { fromHtml } from "./page.js";
import { Writing } from "./writing.js";

const $ = (name, within = document) => within.querySelector(`[data-${name}]`);
const form = $("composer"), thread = $("thread"), scroll = $("scroll"), status = document.querySelector("[role=status][data-status]");
const { conversation, project } = form.dataset;
const MOST = 120; // messages in the page
const SILENCE = 6000; // milliseconds before the server is doubted

let current = null; // the answer that is being written: its article
let asked = null; // what was asked from here and not begun yet
let tip = null; // the newest message, as the server told
let begun = null; // what was asked last from here, until its answer has ended
let writing = null; // its words
let pinned = true; // the end of the thread is kept in view
let silence = 0;

const byId = (id) => document.getElementById(`message-${id}`);

// --- What the server tells ---

const receivers = {
  following(event) {
    if (asked?.socket && asked.socket !== connection.socket && !event.answer_id) setTimeout(doubt, 1000, asked, event.tip !== tip);
    tip = event.tip;
    current?.querySelector(".lost")?.remove();
    // What was asked and answered elsewhere between the making of this page and now.
    if (!current && event.tip && !byId(event.tip) && !location.search) return reload();
    if (!event.answer_id && current?.dataset.message && !asked) look(current);
  },
  answer_started(event) {
    const known = byId(event.answer_id);
    if (known && known.dataset.status !== "streaming") { current = null; return; } // told again, and shown already
    if (current?.dataset.message && current !== known) look(current);
    if (event.follows && !byId(event.follows)) { // on a branch that is not shown
      if (asked) giveBack(withdraw());
      return reload();
    }
    const hadOthers = clearAfter(event);
    const question = byId(event.question_id) ?? (asked?.question || addQuestion(event.question));
    if (asked?.question === question) question.querySelector(".bubble").innerText = event.question; // another tab's, may be
    else if (asked?.question) asked.question.remove();
    question.id = `message-${event.question_id}`;
    question.dataset.message = event.question_id;
    current = known ?? asked?.answer ?? addMessage();
    current.id = `message-${event.answer_id}`;
    current.dataset.message = event.answer_id;
    current.toggleAttribute("data-has-others", hadOthers);
    tip = event.answer_id;
    begun = asked;
    asked = null;
    clear();
    busy(true);
    if (form.dataset.new === "yes") beginConversation(event.title);
  },
  sources_found(event) {
    $("sources", current).innerHTML = event.sources_html;
    const found = event.sources.length;
    say(found ? interpolate(ngettext("Reading %s passage", "Reading %s passages", found), [found]) : gettext("Nothing found in the documents"));
  },
  text_delta(event) {
    say("");
    writing.take(event.html);
  },
  answer_restarted: clear,
  answer_completed(event) {
    writing.end(event.html);
    $("sources", current).innerHTML = event.sources_html;
    $("facts", current).innerHTML = event.facts_html;
    checkModel(event.fault || event.cache.status === "stale");
    if (pinned && /^hit/.test(event.cache.status)) { // it came at once, and is read from its beginning
      pinned = false;
      current.previousElementSibling.scrollIntoView();
    }
    finish(event.finish_reason === "length" ? "cut" : "complete", `${gettext("Answer complete.")} ${$("body", current).textContent.slice(0, 300)}`);
  },
  answer_stopped(event) {
    if (!event.answer_id) return asked && giveBack(withdraw()); // before it was begun
    note(gettext("Stopped. What had come was kept."), "state");
    finish("stopped", gettext("Stopped"));
  },
  answer_failed(event) {
    if (!event.answer_id) return giveUp(event);
    note(event.message, "state error");
    if (event.retry_after) condition("limited", event.retry_after);
    checkModel(true);
    finish("failed", event.message);
  },
  answer_interrupted: () => look(current),
  refused: giveUp,
};

function receive(event) {
  if (current || ["answer_started", "following", "refused"].includes(event.type)) receivers[event.type]?.(event);
  listen();
}

// While an answer is awaited the server gives signs, or is asked for one: a frozen one closes no connection.
function listen(patience = SILENCE) {
  clearTimeout(silence);
  silence = setTimeout(() => {
    if (asked && patience === SILENCE) {
      say(gettext("The server is slow to answer …"));
      listen(4 * SILENCE);
    } else if (current) connection.probe();
  }, patience);
}

function lost() {
  if (current?.dataset.message) note(gettext("Connection lost. Trying again …"), "state working lost");
}

function clear() {
  writing = new Writing($("body", current), keepInView);
  $("sources", current).replaceChildren();
}

// --- Asking ---

// `replaced`: asked in the place of these messages, which are on another branch then.
async function ask(text, options, replaced) {
  if (current || asked) return giveBack(text);
  const gone = replaced ?? [...thread.querySelectorAll("[data-welcome]")];
  const message = { type: "ask", project, text, ...options };
  asked = { message, replaced, gone, question: text && addQuestion(text.trim()), answer: addMessage() };
  for (const one of gone) one.remove();
  current = asked.answer;
  busy(true);
  pinned = true;
  keepInView();
  listen();
  const last = [...thread.querySelectorAll(".answer[data-message]:not([data-message=''])")].at(-1);
  if (!message.branch && last) message.branch = { follow: last.dataset.message };
  try {
    await connection.send(message);
    if (asked) asked.socket = connection.socket;
  } catch {
    if (asked) unsent(message); // not given back
  }
}

function unsent(message) {
  const text = withdraw();
  if (!message.branch || message.branch.follow) return queue(text, message);
  giveBack(text);
  away();
}

// A dying connection swallows what is sent into it; what was heard has begun a second later.
function doubt(mine, isStored) {
  if (asked !== mine) return;
  if (!isStored) return unsent(mine.message);
  giveBack(withdraw());
  location.assign(`/chat/${conversation}/`);
}

// Nothing was stored of what was asked: the words are in the composer again, with the reason below it.
function giveUp(event) {
  if (asked) giveBack(withdraw());
  else if (begun) giveBack(begun.message.text); // another tab asked first, and its question was begun for ours
  else return;
  begun = null;
  condition("refused", event);
}

// The thread is as it was before. What was asked.
function withdraw() {
  const { message, question, answer, gone } = asked;
  for (const one of [question, answer]) one && one.remove();
  thread.append(...gone);
  current = asked = null;
  busy(false);
  return message.text;
}

function expired() {
  if (asked) giveBack(withdraw());
  condition("sessionExpired");
}

// What was not sent yet goes back.
function takeBack() {
  if (!asked || asked.socket || !connection.waiting) return;
  connection.waiting.reject(Error());
  giveBack(withdraw());
}

async function stop() {
  takeBack();
  if (current) await connection.send({ type: "stop", answer_id: current.dataset.message || null })
    .catch(({ message }) => message === "expired" || away());
}

// --- The thread ---

function addQuestion(text) {
  const article = addMessage("question-template");
  article.querySelector(".bubble").innerText = text;
  return article;
}

function addMessage(template = "answer-template") {
  thread.append(fromHtml($(template).innerHTML));
  return thread.lastElementChild;
}

// What stands behind the place of a question leaves the page: it is on another branch. Whether there was anything.
function clearAfter(event) {
  const place = byId(event.question_id) ?? (event.follows ? byId(event.follows) : null);
  const mine = [asked?.question, asked?.answer, byId(event.answer_id)];
  const others = [...thread.querySelectorAll(".message")].filter((message) =>
    !mine.includes(message) && (place ? place.compareDocumentPosition(message) & Node.DOCUMENT_POSITION_FOLLOWING : true));
  rescue(others);
  for (const other of others) other.remove();
  return others.length > 0 || Boolean(asked?.replaced);
}
const away = () => hint(gettext("The server is away. Try again."));
const reload = () => rescue([thread]).then(() => (form.dataset.new === "yes" ? location.assign(`/chat/${conversation}/`) : location.reload()));

function busy(isBusy) {
  setBusy(isBusy);
  thread.setAttribute("aria-busy", isBusy);
}

function finish(how, announcement) {
  const article = current;
  article.dataset.status = how;
  $("state", article)?.matches(".working") && $("state", article).remove();
  current = begun = null;
  busy(false);
  status.textContent = announcement;
  if (article.dataset.message && (how !== "complete" || article.matches("[data-has-others]"))) refresh(article);
  if (pinned && thread.children.length > MOST) more().then(({ trim }) => trim(page));
  keepInView();
}

function say(what) {
  const state = $("state", current);
  if (!state) return;
  if (what) state.textContent = what;
  else state.remove();
}

function note(what, kind) {
  $("state", current)?.remove();
  const line = document.createElement("p");
  line.className = kind;
  line.dataset.state = "";
  line.textContent = what;
  $("footer", current).before(line);
}

function beginConversation(title) {
  form.dataset.new = "no";
  history.replaceState(null, "", `/chat/${conversation}/`);
  import("./lines.js").then(({ begin }) => begin(conversation, title));
}

// --- Scrolling ---

function keepInView() {
  if (pinned) scroll.scrollTop = scroll.scrollHeight;
}

// Whoever scrolls up to read is left there; whoever comes back to the end is taken along again.
scroll.addEventListener("scroll", () => {
  pinned = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
}, { passive: true });

// --- What comes when it is used ---

const more = () => import("./thread.js");
const page = {
  conversation,
  thread,
  scroll,
  tell: (words) => { status.textContent = words; },
  isCurrent: (article) => current === article,
  isPinned: () => pinned,
  over() { current = null; busy(false); },
};
const look = async (article) => (await more()).look(article, page);
const refresh = async (article) => (await more()).refresh(article, page);
const turn = async (arrow) => (await import("./branches.js")).turn(arrow, page);

// --- Keys and buttons ---

document.addEventListener("keydown", async (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) { if (!await closePanel()) stop(); }
  if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); $("new-chat").click(); }
});

document.addEventListener("click", (event) => {
  const [suggestion, button, arrow] = ["[data-suggestion]", "[data-act]", ".branches a"].map((one) => event.target.closest(one));
  if (suggestion) { event.preventDefault(); ask(suggestion.value); }
  if (button) act(button);
  if (arrow && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); turn(arrow); }
});
addEventListener("popstate", () => turn());
addEventListener("pagehide", takeBack);

async function act(button) {
  const article = button.closest(".message"), what = button.dataset.act;
  const actions = await import("./messages.js");
  await actions[what](article, button, { ...page, ask, refresh });
}

// What is loaded when it is used is not while the server is away.
addEventListener("unhandledrejection", (event) => {
  if (connection.isOpen && navigator.onLine) return;
  event.preventDefault();
  away();
});

// --- The beginning ---

current = thread.querySelector('.answer[data-status="streaming"]');
if (current) busy(true);
const connection = new Connection(conversation, { receive, lost, expired, after: current ? 0 : undefined });
onSend(ask, stop);
if ($("earlier")) more().then(({ watch }) => watch($("earlier"), page));
const wanted = location.hash && document.getElementById(location.hash.slice(1));
if (wanted) { pinned = false; wanted.scrollIntoView(); } else keepInView();
