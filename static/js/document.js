// A document's page: it opens on its passage, and the picture of the original keeps to the page that is being read.
import "./page.js";
import "./code.js";

const picture = document.querySelector("[data-picture]");
const target = document.querySelector("mark[id], .chunk.is-target");

if (target) target.scrollIntoView({ block: "center" });

if (picture) {
  const image = picture.querySelector("[data-picture-image]"), number = picture.querySelector("[data-picture-number]");
  const link = picture.querySelector("[data-picture-link]"), problem = picture.querySelector("[data-picture-problem]");
  const first = { page: number.textContent, source: image.getAttribute("src") }; // the one with the passage framed
  const loaded = (isGood) => {
    picture.classList.remove("is-loading");
    image.hidden = !isGood;
    problem.hidden = isGood;
  };
  image.addEventListener("load", () => loaded(true));
  image.addEventListener("error", () => loaded(false));
  if (image.complete) loaded(image.naturalWidth > 0);
  if (matchMedia("(max-width: 62rem)").matches) picture.querySelector("details").open = false;

  const turn = (page) => {
    if (page === number.textContent) return;
    number.textContent = page;
    link.href = link.href.replace(/#page=\d+$/, `#page=${page}`);
    image.alt = interpolate(gettext("Page %s as it looks in the original"), [page]);
    picture.classList.add("is-loading");
    image.src = page === first.page ? first.source : first.source.replace(/\d+\.png/, `${page}.png`).replace(/&chunk=[^&]*/, "");
  };

  // The page in the middle of the window is the one that is being read, once somebody moves on from the passage.
  let waiting = null;
  const seen = new IntersectionObserver((entries) => {
    const page = entries.filter((entry) => entry.isIntersecting).at(-1)?.target.dataset.page;
    clearTimeout(waiting);
    if (page) waiting = setTimeout(turn, 250, page); // nobody reads while scrolling
  }, { rootMargin: "-50% 0px -49% 0px" });
  const keepUp = () => {
    for (const stretch of document.querySelectorAll(".stretch[data-page]")) seen.observe(stretch);
  };
  for (const move of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    window.addEventListener(move, keepUp, { once: true, passive: true });
  }
}
