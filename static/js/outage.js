// Says before one asks that no language model answers, until it is back.
const PACE = 60_000; // milliseconds between two looks, while it is away
const place = document.querySelector("[data-outage]");
let timer = 0;

export async function look() {
  clearTimeout(timer);
  const response = document.hidden ? null : await fetch("/model/", { redirect: "manual" }).catch(() => null);
  if (response?.ok) draw((await response.json()).is_silent);
  if (place.textContent) timer = setTimeout(look, PACE);
}

function draw(isSilent) {
  if (isSilent === Boolean(place.textContent)) return; // said already: it is not read out again
  place.textContent = isSilent ? gettext("The language model does not answer. Until it does, you get cached answers, or sentences quoted from the documents.") : "";
}
