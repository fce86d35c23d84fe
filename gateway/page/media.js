// One file of a post, comment or message: its progress, then the picture, film or sound.
import { blurredPicture } from "./blurhash.js";
import { element } from "./dom.js";

const NATIVE_HLS = "application/vnd.apple.mpegurl";

export class Media {
  element = element("figure", { class: "media" });
  #session;
  #media;
  #percent = 0;
  #isUncovered = false; // the viewer asked for a sensitive file
  #hls = null; // while a film plays through hls.js

  constructor(session, media) {
    this.#session = session;
    this.show(media);
  }

  get id() {
    return this.#media.id;
  }

  /** Show the file as it is now. */
  show(media) {
    // More variants of what is shown already: it stays.
    const isSame = this.#media?.status === "ready" && media.status === "ready";
    this.#media = media;
    if (!isSame) this.#draw();
  }

  /** percent: of the processing. */
  progress(percent) {
    this.#percent = percent;
    if (this.#media.status === "processing") this.#draw();
  }

  /** Stop what plays; call it when the element is removed. */
  close() {
    this.#hls?.destroy();
    this.#hls = null;
  }

  #draw() {
    this.close();
    const { status, is_sensitive, error } = this.#media;
    const isCovered = is_sensitive && !this.#isUncovered;
    if (status === "failed") this.element.replaceChildren(element("small", {}, error?.message ?? "This file failed"));
    else if (status !== "ready") this.element.replaceChildren(...this.#working());
    else this.element.replaceChildren(...(isCovered ? this.#cover() : this.#content()));
  }

  #working() {
    const bar = element("progress", { max: 100, value: this.#percent, "aria-label": "processing" });
    return [element("small", {}, "processing "), bar];
  }

  #cover() {
    const uncover = () => {
      this.#isUncovered = true;
      this.#draw();
    };
    const blurred = this.#blurred();
    return [...(blurred ? [blurred] : []), element("button", { onclick: uncover }, "Show sensitive media")];
  }

  #content() {
    if (this.#media.kind === "image") return this.#picture();
    return [this.#media.kind === "video" ? this.#film() : this.#sound()];
  }

  #blurred() {
    const { blurhash, width, height } = this.#media;
    const canvas = blurhash && blurredPicture(blurhash);
    if (canvas) canvas.style.aspectRatio = `${width} / ${height}`;
    return canvas;
  }

  /** The blurred picture until the sharp one has come. */
  #picture() {
    const { alt, width, height, variants } = this.#media;
    const blurred = this.#blurred();
    const sources = variants.filter(({ content_type }) => content_type === "image/webp");
    const shown = sources.length > 0 ? sources : variants;
    const picture = element("img", {
      alt,
      width,
      height,
      sizes: "20rem",
      srcset: shown.map((variant) => `${variant.url} ${variant.width}w`).join(", "),
      onload: () => blurred?.remove(),
    });
    picture.addEventListener("error", () => this.#renew(), { once: true });
    return [...(blurred ? [blurred] : []), picture];
  }

  #film() {
    const { alt, hls_url, poster_url, variants } = this.#media;
    const named = { controls: "", playsinline: "", preload: "none", "aria-label": alt || "video" };
    const film = element("video", { ...named, ...(poster_url && { poster: poster_url }) });
    const file = variants.find(({ content_type }) => content_type === "video/mp4");
    if (!hls_url || film.canPlayType(NATIVE_HLS)) film.src = hls_url ?? file?.url ?? "";
    else this.#stream(film, hls_url);
    return film;
  }

  /** Chromium and Firefox need hls.js. It loads the playlist, and the rest once the film plays. */
  async #stream(film, url) {
    const { Hls } = await import("./vendor/hls.light.min.mjs");
    if (film.parentNode !== this.element) return; // something else is shown meanwhile
    this.#hls = new Hls({ autoStartLoad: false, enableWorker: false }); // the page's policy allows no worker
    this.#hls.loadSource(url);
    this.#hls.attachMedia(film);
    film.addEventListener("play", () => this.#hls?.startLoad(), { once: true });
  }

  #sound() {
    const { alt, variants } = this.#media;
    const named = { controls: "", preload: "none", "aria-label": alt || "audio" };
    const sound = element("audio", { ...named, src: variants[0]?.url ?? "" });
    sound.addEventListener("error", () => this.#renew(), { once: true });
    return sound;
  }

  /** URLs expire: load new ones, unless they are fresh and the file is what fails. */
  async #renew() {
    const { urls_expire_at, id } = this.#media;
    if (urls_expire_at === null || Date.parse(urls_expire_at) > Date.now()) return;
    this.#media = await this.#session.call("media.get", { media_id: id });
    this.#draw();
  }
}
