// A post as one line of a list, which opens the post.
import { avatar, element, nameButton, timeOf } from "./dom.js";

/** open(postId): called on a click. Returns the elements of the line. */
export const excerptOf = (post, open) => [
  element("header", { class: "line" }, avatar(post.author), nameButton(post.author), timeOf(post.created_at)),
  element("button", { class: "name excerpt", dir: "auto", onclick: () => open(post.id) }, wordsOf(post)),
];

const wordsOf = ({ text, is_share }) => text || (is_share ? "a shared post" : "a post of files");
