// What the question will cost, about: four characters are a token, and the passages go with it.
import { data, text } from "./composer.js";

const PASSAGES = 1300; // tokens: five passages of 220, and the rules
const CHARACTERS = 4;

export function show() {
  const tokens = PASSAGES + Math.ceil(text.value.length / CHARACTERS);
  const model = document.querySelector("[data-model]")?.value ?? data.usual;
  const price = JSON.parse(data.prices)[model];
  const shown = interpolate(gettext("About %s tokens"), [(Math.round(tokens / 50) * 50).toLocaleString()]);
  const cost = price === undefined ? "" : `, ${dollars((tokens * price) / 1e6)}`;
  document.querySelector("[data-estimate]").textContent = `${shown}${cost} ${gettext("and the answer")}`;
}

function dollars(amount) {
  return amount < 0.0001 ? "< $0.0001" : `$${Number(amount.toPrecision(2))}`;
}
