// A form under a list: it adds a text and files, replies to a line, or edits one. It stays while the list is drawn again.
import { Attachments } from "./attachments.js";
import { element, onSubmit } from "./dom.js";

export class Composer {
  element;
  #field;
  #what = element("small"); // the label of a reply or an edit
  #attachments;
  #add;
  #act;

  /**
   * label: of the field. files: how many and which, see Attachments. add(text, mediaIds): called with each text, unless
   * `reply` or `edit` gave it another purpose.
   */
  constructor(session, label, maxLength, files, add) {
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
    this.#attachments = new Attachments(session, form, files);
    onSubmit(form, (text) => this.#submit(text));
    this.element = element("div", { class: "composer" }, this.#what, form);
  }

  /** The next text and files go to `act`. what: words and elements, such as "Reply to" and a name. */
  reply(what, act) {
    this.#begin(what, act);
  }

  /** The next text, which has no files, goes to `act`. text: to begin with. */
  edit(what, text, act) {
    this.#begin(what, act);
    this.#attachments.isOffered = false;
    this.#field.value = text;
  }

  async #submit(text) {
    const act = this.#act;
    if (this.#attachments.isOffered) {
      await act(text, await this.#attachments.upload());
      this.#attachments.clear();
    } else {
      await act(text);
    }
    if (this.#act === act) this.#reset();
  }

  #begin(what, act) {
    this.#act = act;
    this.#what.replaceChildren(...what, " ", element("button", { onclick: () => this.#cancel() }, "Cancel"));
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
    this.#attachments.isOffered = true;
  }
}
