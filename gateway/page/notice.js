// The notice: one line at the top of the page.
import { find } from "./dom.js";

const SHOWN_MS = 8_000;

let clearing;

/** words: texts and elements, such as names. */
export function notify(...words) {
  find("notice").replaceChildren(...words);
  clearTimeout(clearing);
  clearing = setTimeout(() => (find("notice").textContent = ""), SHOWN_MS);
}
