// Hashtags in texts as buttons. A click on one is handled in page.js.
import { element } from "./dom.js";

// As the server finds them: domain/post_text.py.
const HASHTAG = /(?<![\p{L}\p{N}\p{M}_#＃&])[#＃][\p{L}\p{N}_][\p{L}\p{N}\p{M}_]*/gu;

/** name: without #. */
export const hashtagButton = (name, shown = `#${name}`) =>
  element("button", { class: "name tag", "data-tag": name }, element("bdi", {}, shown));

/** Return the text as strings and buttons. */
export function withHashtags(text) {
  const parts = [];
  let end = 0;
  for (const { 0: tag, index } of text.matchAll(HASHTAG)) {
    parts.push(text.slice(end, index), hashtagButton(tag.slice(1), tag));
    end = index + tag.length;
  }
  return [...parts, text.slice(end)];
}
