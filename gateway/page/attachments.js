// Files that go with the text of a form: picked or dropped, described, and uploaded when the form is sent.
import { element } from "./dom.js";
import { notify } from "./notice.js";
import { upload } from "./upload.js";

const MOST = 10;
const LONGEST_ALT = 1_500;

export class Attachments {
  element;
  #session;
  #list = element("ul", { "aria-label": "Attached files" });
  #files = [];

  /** form: files may be dropped on it. Put `element` into it. */
  constructor(session, form) {
    this.#session = session;
    const picker = element("input", {
      type: "file",
      multiple: "",
      accept: "image/*,video/*,audio/*",
      onchange: () => {
        this.#add(picker.files);
        picker.value = "";
      },
    });
    const label = element("label", {}, "📎 Attach files ", picker);
    this.element = element("div", { class: "attachments" }, label, this.#list);
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#add(event.dataTransfer.files);
    });
  }

  /** Upload what was not yet; return the ids of all. Throws if one fails: it stays in the list, to be sent again. */
  async upload() {
    const files = [...this.#files];
    const done = await Promise.allSettled(files.map((file) => file.upload(this.#session)));
    const failed = done.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
    return files.map(({ mediaId }) => mediaId);
  }

  /** Forget the files, once they are used. */
  clear() {
    this.#files = [];
    this.#list.replaceChildren();
  }

  #add(files) {
    for (const file of files) {
      if (this.#files.length === MOST) return notify(`At most ${MOST} files`);
      const attachment = new Attachment(file, () => this.#remove(attachment));
      this.#files.push(attachment);
      this.#list.append(attachment.element);
    }
  }

  #remove(attachment) {
    attachment.abort();
    attachment.element.remove();
    this.#files = this.#files.filter((each) => each !== attachment);
  }
}

class Attachment {
  element;
  mediaId = null; // once it is uploaded
  #file;
  #aborting = new AbortController();
  #alt;
  #isSensitive = element("input", { type: "checkbox" });
  #progress;

  constructor(file, remove) {
    this.#file = file;
    this.#alt = element("input", {
      dir: "auto",
      maxlength: LONGEST_ALT,
      placeholder: "Description",
      "aria-label": `description of ${file.name}`,
    });
    this.#progress = element("progress", { value: 0, "aria-label": `upload of ${file.name}`, hidden: "" });
    this.element = element(
      "li",
      { class: "line" },
      element("bdi", {}, file.name),
      element("button", { type: "button", "aria-label": `Remove ${file.name}`, onclick: remove }, "×"),
      this.#alt,
      element("label", {}, this.#isSensitive, " sensitive"),
      this.#progress,
    );
  }

  async upload(session) {
    if (this.mediaId) return;
    this.#progress.hidden = false;
    const description = { is_sensitive: this.#isSensitive.checked, ...(this.#alt.value && { alt: this.#alt.value }) };
    const { id } = await upload(session, this.#file, description, {
      onProgress: (share) => (this.#progress.value = share),
      signal: this.#aborting.signal,
    });
    this.mediaId = id;
  }

  abort() {
    this.#aborting.abort();
  }
}
