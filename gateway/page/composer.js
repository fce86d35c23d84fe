// A form under a list: it adds a text, replies to a line, or edits one. It stays while the list is drawn again.
import { element, onSubmit } from "./dom.js";

export class Composer {
  element;
  #field;
  #what = element("small"); // says that the next text is a reply or an edit
  #add;
  #act;

  /** label: of the field. add(text): called with each text, unless `begin` gave it another purpose. */
  constructor(label, maxLength, add) {
    this.#add = this.#act = add;
    this.#field = element("input", {
      dir: "auto",
      maxlength: maxLength,
      placeholder: label,
      "aria-label": label,
      autocomplete: "off",
      required: "",
      onkeydown: ({ key }) => key === "Escape" && this.#cancel(),
    });
    const form = element("form", {}, this.#field, element("button", {}, "Send"));
    onSubmit(form, async (text) => {
      const act = this.#act;
      await act(text);
      if (this.#act === act) this.#reset();
    });
    this.element = element("div", { class: "composer" }, this.#what, form);
  }

  /** The next text goes to `act`. what: words and elements, such as "Reply to" and a name. text: to begin with. */
  begin(what, act, text = "") {
    this.#act = act;
    this.#what.replaceChildren(...what, " ", element("button", { onclick: () => this.#cancel() }, "Cancel"));
    this.#field.value = text;
    this.#field.focus();
  }

  #cancel() {
    this.#field.value = "";
    this.#reset();
    this.#field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #reset() {
    this.#act = this.#add;
    this.#what.replaceChildren();
  }
}
