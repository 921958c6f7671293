// The words of an answer while they come, block by block: only what has changed is put into the page, once a picture.
export class Writing {
  #blocks = []; // as HTML
  #firstChanged = Infinity;
  #isWaiting = false;

  constructor(body, onPainted) {
    this.body = body;
    this.onPainted = onPainted;
    body.replaceChildren();
  }

  take({ start, blocks }) {
    this.#blocks.splice(start, Infinity, ...blocks);
    this.#firstChanged = Math.min(this.#firstChanged, start);
    if (this.#isWaiting) return;
    this.paint();
    this.#isWaiting = true;
    requestAnimationFrame(() => { this.#isWaiting = false; this.paint(); });
  }

  paint() {
    if (this.#firstChanged === Infinity) return;
    const { body } = this;
    while (body.children.length > this.#firstChanged) body.lastElementChild.remove();
    for (const html of this.#blocks.slice(body.children.length)) {
      const part = document.createElement("div");
      part.className = "block";
      part.innerHTML = html;
      body.append(part);
    }
    this.#firstChanged = Infinity;
    this.onPainted();
  }

  // All of them, as the server set them.
  end(html) {
    this.body.innerHTML = html;
    this.#firstChanged = Infinity;
  }
}
