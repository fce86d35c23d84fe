// One line at the top for what should not be missed.
import { find } from "./dom.js";

const SHOWN_MS = 8_000;

let clearing;

export function notify(words) {
  find("notice").textContent = words;
  clearTimeout(clearing);
  clearing = setTimeout(() => (find("notice").textContent = ""), SHOWN_MS);
}
