// The chat page. The server renders everything; this file puts what it sends into place.
import { fromHtml, post, socketAddress } from "./page.js";
import { giveBack, onSend, setBusy } from "./composer.js";
import { openPanel, closePanel } from "./sources.js";
import { addConversation } from "./conversations.js";

const $ = (name) => document.querySelector(`[data-${name}]`);
const form = $("composer"), thread = $("thread"), scroll = $("scroll"), status = $("status");
const { conversation, project } = form.dataset;
const LOGGED_OUT = "You are logged out. Log in again in another tab, then send.";
const POLL = 1000; // milliseconds between looks at an answer that another page began

let socket = null;
let current = null; // the answer that is being written: its article
let lastQuestion = "";
let pinned = true; // the end of the thread is kept in view

// --- The connection ------------------------------------------------------------------------------

function connected() {
  if (socket && socket.readyState === WebSocket.OPEN) return Promise.resolve(socket);
  return new Promise((resolve, reject) => {
    socket = new WebSocket(socketAddress(`/ws/conversations/${conversation}/`));
    socket.addEventListener("open", () => resolve(socket));
    socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => {
      const reason = event.code === 4401 ? LOGGED_OUT : "The connection to the server was lost. Send again.";
      reject(new Error(reason));
      if (current?.dataset.message) follow(current); // the answer goes on without this socket
      else if (current) giveUp(reason);
    });
  });
}

const receivers = {
  answer_started(event) {
    current.id = `message-${event.answer_id}`;
    current.dataset.message = event.answer_id;
    if (form.dataset.new === "yes") beginConversation(event.title);
  },
  sources_found(event) {
    current.querySelector("[data-sources]").innerHTML = event.sources_html;
    say(event.sources.length ? `Reading ${event.sources.length} passages` : "Nothing found in the documents");
  },
  text_delta(event) {
    say("");
    const body = current.querySelector("[data-body]");
    while (body.children.length > event.html.start) body.lastElementChild.remove();
    for (const block of event.html.blocks) {
      const part = document.createElement("div");
      part.className = "block";
      part.innerHTML = block;
      body.append(part);
    }
    keepInView();
  },
  answer_restarted() {
    current.querySelector("[data-body]").replaceChildren();
    current.querySelector("[data-sources]").replaceChildren();
  },
  answer_completed(event) {
    current.querySelector("[data-body]").innerHTML = event.html;
    current.querySelector("[data-facts]").innerHTML = event.facts_html;
    finish("complete", "Answer complete");
  },
  answer_stopped() {
    note("Stopped. What had come was kept.", "state");
    finish("stopped", "Stopped");
  },
  answer_failed(event) {
    if (!event.answer_id) return giveUp(event.message);
    note(event.message, "state error", true);
    finish("failed", event.message);
  },
  refused(event) {
    giveUp(event.message);
  },
};

function receive(event) {
  if (current) receivers[event.type]?.(event);
}

// --- Asking --------------------------------------------------------------------------------------

async function ask(question, fresh = false) {
  if (!question.trim() || current) return;
  lastQuestion = question;
  $("welcome")?.remove();
  const asked = fromHtml('<article class="message question" aria-label="Question"><div class="bubble"></div></article>');
  asked.firstElementChild.innerText = question.trim();
  current = fromHtml(`<article class="message answer" aria-label="Answer" data-message><div class="prose" data-body></div>
    <p class="state working" data-state>Searching the documents</p><footer class="answer-foot" data-footer><div data-sources></div><div data-facts></div></footer></article>`);
  current.dataset.question = question;
  thread.append(asked, current);
  busy(true);
  pinned = true;
  keepInView();
  try {
    const open = await connected();
    if (current) open.send(JSON.stringify({ type: "ask", text: question, project, fresh }));
  } catch (error) {
    if (current) giveUp(error.message);
  }
}

// Nothing was stored of this question: it goes back into the composer.
function giveUp(reason) {
  note(reason, "state error");
  giveBack(current.dataset.question || "");
  finish("failed", reason);
}

function busy(isBusy) {
  setBusy(isBusy);
  thread.setAttribute("aria-busy", isBusy);
}

function finish(how, announcement) {
  current.dataset.status = how;
  current.querySelector("[data-state].working")?.remove();
  current = null;
  busy(false);
  status.textContent = announcement;
  keepInView();
}

function say(what) {
  const state = current.querySelector("[data-state]");
  if (!state) return;
  if (what) state.textContent = what;
  else state.remove();
}

function note(what, kind, canRetry = false) {
  current.querySelector("[data-state]")?.remove();
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = what;
  if (canRetry) line.append(" ", fromHtml('<button type="button" class="link-button" data-fresh>Try again</button>'));
  current.querySelector("[data-footer]").before(line);
}

async function stop() {
  if (!current) return;
  try {
    (await connected()).send(JSON.stringify({ type: "stop" }));
  } catch (error) {
    status.textContent = error.message;
  }
}

// The first answer of a conversation gives the page its address and the side bar its line.
function beginConversation(title) {
  form.dataset.new = "no";
  history.replaceState(null, "", `/chat/${conversation}/`);
  $("picker").hidden = true;
  $("project-name").hidden = $("topbar-menu").hidden = false;
  addConversation(conversation, title);
}

// An answer that goes on without us: look until it is there.
async function follow(article) {
  const address = `/chat/${conversation}/messages/${article.dataset.message}/`;
  const response = await fetch(address, { redirect: "manual" }).catch(() => null);
  if (response?.type === "opaqueredirect" || response?.status === 404) {
    if (current === article) { note(LOGGED_OUT, "state error"); finish("failed", LOGGED_OUT); }
    return;
  }
  const shown = response?.ok ? fromHtml(await response.text()) : null;
  if (shown) {
    article.replaceWith(shown);
    article = shown;
    if (current?.id === shown.id) current = shown;
  }
  if (!shown || shown.dataset.status === "streaming") setTimeout(() => follow(article), POLL);
  else if (current === shown) finish(shown.dataset.status, "Answer complete");
}

function keepInView() {
  if (pinned) scroll.scrollTop = scroll.scrollHeight;
}

// Whoever scrolls up to read is left there; whoever comes back to the end is taken along again.
scroll.addEventListener("scroll", () => {
  pinned = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
}, { passive: true });

// --- Keys and buttons ----------------------------------------------------------------------------

onSend(ask, stop);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { if (!closePanel()) stop(); }
  if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); $("new-chat").click(); }
});

document.addEventListener("click", (event) => {
  const cite = event.target.closest("a.cite"), fresh = event.target.closest("[data-fresh]");
  const suggestion = event.target.closest("[data-suggestion]");
  const wrong = event.target.closest("[data-wrong]");
  if (wrong) reportWrong(wrong);
  if (cite) { event.preventDefault(); openPanel(cite); }
  if (fresh) ask(questionOf(fresh.closest(".answer")), true);
  if (suggestion) ask(suggestion.textContent);
  if (event.target.closest("[data-close-panel]")) closePanel();
});

// A cached answer is wrong: it leaves the cache, for everybody.
async function reportWrong(button) {
  button.disabled = true;
  const message = button.closest(".answer").dataset.message;
  const response = await post(`/chat/${conversation}/messages/${message}/wrong/`);
  if (!response?.ok) {
    button.disabled = false;
    status.textContent = "This could not be reported. Try again.";
    return;
  }
  button.replaceWith(fromHtml('<span class="reported">Reported as wrong, and out of the cache</span>'));
  status.textContent = "Reported. The answer is out of the cache.";
}

function questionOf(answer) {
  return answer.dataset.question || answer.previousElementSibling?.querySelector(".bubble")?.innerText || lastQuestion;
}

// An answer that another page, or this one before it was reloaded, began: it can be followed and stopped from here.
current = document.querySelector('.answer[data-status="streaming"]');
if (current) {
  busy(true);
  follow(current);
}
keepInView();
