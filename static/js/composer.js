// The composer: what is asked, and of what. Everything that stands in the form below the thread.
const $ = (name) => document.querySelector(`[data-${name}]`);
const form = $("composer"), text = $("text"), sendButton = $("send"), stopButton = $("stop");

let isBusy = false;
let send = () => {};

// `ask(question)` is called with the text when it is sent, `stop()` when the answer is to be stopped.
export function onSend(ask, stop) {
  send = ask;
  stopButton.addEventListener("click", stop);
}

export function setBusy(busy) {
  isBusy = busy;
  sendButton.hidden = busy;
  stopButton.hidden = !busy;
}

// Nothing was stored of this question: it goes back, unless something else was typed meanwhile.
export function giveBack(question) {
  text.value ||= question;
  grow();
}

// The server is away: the question goes back.
export function queue(question) {
  giveBack(question);
}

export function sessionExpired() {
  location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname)}`);
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 240)}px`;
}

function submit() {
  if (isBusy || !text.value.trim()) return;
  const question = text.value;
  text.value = "";
  grow();
  send(question);
}

form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
});
grow();
