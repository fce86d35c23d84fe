// Files that go with the text of a form: picked or dropped, described, and uploaded when the form is sent.
import { element } from "./dom.js";
import { notify } from "./notice.js";
import { upload } from "./upload.js";

const LONGEST_ALT = 1_500;
const ALL = "image/*,video/*,audio/*";

export class Attachments {
  #session;
  #field;
  #picker;
  #most;
  #all = element("div", { class: "attachments" });
  #list = element("ul", { "aria-label": "Attached files" });
  #files = [];

  /** form: its first field may be empty while there are files, and files may be dropped on it. */
  constructor(session, form, { most = 10, accept = ALL } = {}) {
    this.#session = session;
    this.#field = form.querySelector("input, textarea");
    this.#most = most;
    this.#picker = element("input", {
      type: "file",
      accept,
      ...(most > 1 && { multiple: "" }),
      "aria-label": "Attach files",
      onchange: () => this.#pick(),
    });
    this.#all.append(element("label", {}, "📎 Attach ", this.#picker), this.#list);
    form.append(this.#all);
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      if (this.isOffered) this.#add(event.dataTransfer.files);
    });
  }

  /** Whether files can be attached now. */
  get isOffered() {
    return !this.#all.hidden;
  }

  set isOffered(isOffered) {
    this.#all.hidden = !isOffered;
    this.#field.required = !isOffered || this.#files.length === 0;
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
    this.#keep([]);
  }

  #pick() {
    this.#add(this.#picker.files);
    this.#picker.value = "";
  }

  #add(files) {
    const added = [...files].map((file) => new Attachment(file, (attachment) => this.#remove(attachment)));
    const all = [...this.#files, ...added];
    if (all.length > this.#most) notify(this.#most === 1 ? "Only one file" : `At most ${this.#most} files`);
    this.#keep(all.slice(0, this.#most));
  }

  #remove(attachment) {
    this.#keep(this.#files.filter((each) => each !== attachment));
    return attachment.abort(this.#session);
  }

  #keep(files) {
    this.#files = files;
    this.#list.replaceChildren(...files.map((file) => file.element));
    this.#field.required = files.length === 0;
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
  #failure = element("small", { role: "alert", dir: "auto" });

  constructor(file, remove) {
    this.#file = file;
    this.#alt = element("input", {
      dir: "auto",
      maxlength: LONGEST_ALT,
      placeholder: "Description",
      "aria-label": `description of ${file.name}`,
      autocomplete: "off",
    });
    this.#progress = element("progress", { value: 0, "aria-label": `upload of ${file.name}`, hidden: "" });
    const removing = { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => remove(this) };
    this.element = element(
      "li",
      { class: "line" },
      element("bdi", {}, file.name),
      element("button", removing, "×"),
      this.#alt,
      element("label", {}, this.#isSensitive, " sensitive"),
      this.#progress,
      this.#failure,
    );
  }

  async upload(session) {
    if (this.mediaId) return;
    this.#progress.hidden = false;
    this.#failure.textContent = "";
    const description = { is_sensitive: this.#isSensitive.checked, ...(this.#alt.value && { alt: this.#alt.value }) };
    try {
      const { id } = await upload(session, this.#file, description, {
        onProgress: (share) => (this.#progress.value = share),
        signal: this.#aborting.signal,
      });
      this.mediaId = id;
    } catch (failure) {
      this.#progress.hidden = true;
      this.#failure.textContent = reasonOf(failure);
      throw failure;
    }
  }

  /** Stop the upload, or delete what was uploaded and is not used. */
  async abort(session) {
    this.#aborting.abort();
    if (this.mediaId) await session.call("media.abort_upload", { media_id: this.mediaId });
  }
}

/** What the server says about the file, without the name of the call. */
const reasonOf = ({ message, error }) => error?.details?.[0]?.reason ?? error?.message ?? message;
