// Choices of forms, and the words that several forms offer.
import { element } from "./dom.js";
import { word } from "./words.js";

export const REASONS = [
  "spam",
  "harassment",
  "hate",
  "violence",
  "sexual",
  "self_harm",
  "minors",
  "scam",
  "impersonation",
  "private_information",
  "copyright",
  "illegal",
  "other",
];

/** A labelled select. text: what an option shows; by default, the word of its value. */
export function choice(name, values, chosen, { text = word, label = name, ...attributes } = {}) {
  const select = element(
    "select",
    { name, ...attributes },
    ...values.map((value) => element("option", { value }, text(value))),
  );
  select.value = chosen;
  return element("label", {}, element("span", {}, word(label)), " ", select);
}
