// Until the composer's own script is there, a question that is sent is held and goes out with it. Not a module, which
// would come too late. Where that script does not come at all, the form is sent as forms are.
(() => {
  const hold = (event) => {
    const { target, type, key } = event, form = target.closest?.("[data-composer]");
    const isSent = type === "submit" || (key === "Enter" && target.name === "text" && !event.shiftKey && !event.isComposing);
    if (!isSent || !form || form.dataset.state === "ready") return;
    event.preventDefault();
    const text = form.elements.text;
    if (event.submitter?.value) text.value = event.submitter.value;
    if (form.dataset.state === "sent" || !text.value.trim()) return;
    form.dataset.state = "sent";
    if (document.readyState === "complete") form.submit();
  };
  for (const type of ["keydown", "submit"]) addEventListener(type, hold, true);
  addEventListener("load", () => document.querySelector("[data-composer][data-state=sent]")?.submit());
})();
