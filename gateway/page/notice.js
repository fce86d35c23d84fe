// One line at the top for what should not be missed.
import { find } from "./dom.js";

const SHOWN_MS = 8_000;

let clearing;

/** words: text, and names among it. */
export function notify(...words) {
  find("notice").replaceChildren(...words);
  clearTimeout(clearing);
  clearing = setTimeout(() => (find("notice").textContent = ""), SHOWN_MS);
}
