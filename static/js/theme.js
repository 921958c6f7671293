// Runs before the first paint, so that a chosen theme never flashes. Not a module for that reason.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
