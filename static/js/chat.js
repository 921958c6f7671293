// The chat page. The server renders everything; this file puts what it sends into place.
import { fromHtml, socketAddress } from "./page.js";
import { openPanel, closePanel } from "./sources.js";

const $ = (name) => document.querySelector(`[data-${name}]`);
const form = $("composer"), text = $("text"), thread = $("thread"), scroll = $("scroll");
const sendButton = $("send"), stopButton = $("stop"), status = $("status");
const { conversation, project } = form.dataset;
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
      reject(new Error(event.code === 4401 ? "You are logged out. Log in again in another tab, then send." : "No connection to the server."));
      if (current) follow(current);
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
    note(event.message, "state error");
    finish("failed", event.message);
  },
  refused(event) {
    note(event.message, "state error");
    finish("failed", event.message);
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
    (await connected()).send(JSON.stringify({ type: "ask", text: question, project, fresh }));
  } catch (error) {
    note(error.message, "state error");
    finish("failed", error.message);
    text.value ||= question;
  }
}

function busy(isBusy) {
  sendButton.hidden = isBusy;
  stopButton.hidden = !isBusy;
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

function note(what, kind) {
  current.querySelector("[data-state]")?.remove();
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = what;
  current.querySelector("[data-footer]").before(line);
}

function stop() {
  if (current && socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "stop" }));
}

// The first answer of a conversation gives the page its address and the side bar its line.
function beginConversation(title) {
  form.dataset.new = "no";
  history.replaceState(null, "", `/chat/${conversation}/`);
  document.title = `${title} · PolyAI`;
  $("title").textContent = title;
  $("picker").hidden = true;
  $("project-name").hidden = false;
  const list = $("conversations");
  list.querySelector(".none")?.remove();
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const item = fromHtml('<li><a aria-current="page"></a></li>');
  item.firstElementChild.href = `/chat/${conversation}/`;
  item.firstElementChild.textContent = title;
  list.prepend(item);
}

// An answer that goes on without us: look until it is there.
async function follow(article) {
  const response = await fetch(`/chat/${conversation}/messages/${article.dataset.message}/`).catch(() => null);
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

function grow() {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 240)}px`;
}

function submit() {
  if (current || !text.value.trim()) return;
  const question = text.value;
  text.value = "";
  grow();
  ask(question);
}

form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
});
stopButton.addEventListener("click", stop);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { if (!closePanel()) stop(); }
  if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); $("new-chat").click(); }
});

document.addEventListener("click", (event) => {
  const cite = event.target.closest("a.cite"), fresh = event.target.closest("[data-fresh]");
  const suggestion = event.target.closest("[data-suggestion]");
  if (cite) { event.preventDefault(); openPanel(cite); }
  if (fresh) ask(questionOf(fresh.closest(".answer")), true);
  if (suggestion) ask(suggestion.textContent);
  if (event.target.closest("[data-close-panel]")) closePanel();
});

function questionOf(answer) {
  return answer.dataset.question || answer.previousElementSibling?.querySelector(".bubble")?.innerText || lastQuestion;
}

const unfinished = document.querySelector('.answer[data-status="streaming"]');
if (unfinished) follow(unfinished);
keepInView();
grow();
