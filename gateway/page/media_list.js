// The files of a post, comment or message. They stay in place while the rest is drawn again, so that videos play on.
import { draw, element } from "./dom.js";
import { MediaFile } from "./media.js";

export class MediaList {
  element = element("div", { class: "media" });
  #session;
  #files = new Map(); // by id

  constructor(session) {
    this.#session = session;
  }

  show(media) {
    draw(this.element, media, (each) => {
      const known = this.#files.get(each.id);
      if (known) known.show(each);
      const file = known ?? new MediaFile(this.#session, each);
      this.#files.set(each.id, file);
      return file;
    });
  }
}
