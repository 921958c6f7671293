// Sends the question that waited for the server. Of all tabs that show its conversation one does.
import { deliver, hint } from "./composer.js";

export async function sendOnce(key) {
  const take = () => {
    const waiting = JSON.parse(localStorage.getItem(key));
    localStorage.removeItem(key);
    return waiting;
  };
  // Locks are for secure addresses only; elsewhere tabs look at different moments.
  if (!navigator.locks) await new Promise((done) => { setTimeout(done, 5000 * Math.random()); });
  const waiting = navigator.locks ? await navigator.locks.request(key, take) : take();
  document.querySelector("[data-take-back]").hidden = true;
  hint();
  if (waiting) deliver(waiting.question, waiting.options);
}
