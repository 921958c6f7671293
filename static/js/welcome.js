// How far the project's documents are, while some are still being read.
const place = document.querySelector("[data-live]");
const MOST = 30_000; // milliseconds between two looks
let pause = 2000;

async function look() {
  if (!place?.isConnected) return; // the first question is asked
  const response = document.hidden ? null : await fetch(place.dataset.live, { redirect: "manual" }).catch(() => null);
  if (response?.ok) {
    const { documents, unfinished } = await response.json();
    draw(documents, unfinished);
    if (!unfinished) return;
  } else if (response?.type === "opaqueredirect") return;
  pause = Math.min(MOST, pause * 1.2);
  setTimeout(look, pause);
}

function draw(documents, unfinished) {
  const one = gettext("%(unfinished)s of %(total)s document is still being read; answers get better as it finishes.");
  const many = gettext("%(unfinished)s of %(total)s documents are still being read; answers get better as they finish.");
  Object.assign(place.querySelector("progress"), { max: documents, value: documents - unfinished });
  place.querySelector("[data-reading]").textContent = unfinished
    ? interpolate(documents === 1 ? one : many, { unfinished, total: documents }, true)
    : gettext("All documents are read.");
}

setTimeout(look, pause);
