// Icons, and style sheets that are needed seldom.
export const ICONS = { document: "files", tag: "tag" };
const loaded = new Map();

export function loadStyle(name) {
  if (!loaded.has(name)) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`../css/${name}.css`, import.meta.url).href;
    loaded.set(name, new Promise((done) => {
      link.onload = done;
      link.onerror = () => { loaded.delete(name); link.remove(); done(); }; // the next use tries again
    }));
    document.head.append(link);
  }
  return loaded.get(name);
}

export function icon(name) {
  const [drawn, used] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  used.setAttribute("href", `#i-${name}`);
  drawn.append(used);
  return drawn;
}
