// One file of a post, comment or message: its progress, then the picture, video or sound.
import { blurredPicture } from "./blurhash.js";
import { element } from "./dom.js";

const shown = new Set(); // the files that are in the page

/** Bring pushes about files to those that are in the page. */
export function followMedia(session) {
  const apply = (mediaId, act) => [...shown].filter(({ id }) => id === mediaId).forEach(act);
  for (const name of ["media.ready", "media.updated", "media.failed"]) {
    session.on(name, ({ media }) => apply(media.id, (file) => file.hear(media)));
  }
  session.on("media.progressed", ({ media_id, percent }) => apply(media_id, (file) => file.progress(percent)));
}

/** Whether the server still works on it. */
export const isUnfinished = ({ status }) => status === "uploading" || status === "processing";

/** One file. It is an element of its own, so that it knows when it leaves the page and must stop. */
export class MediaFile extends HTMLElement {
  #session;
  #media;
  #percent = null; // of the processing, as far as it is known
  #isUncovered = false; // the viewer asked for a sensitive file
  #hls = null; // while a video plays through hls.js

  constructor(session, media) {
    super();
    this.#session = session;
    this.#media = media;
    this.dataset.media = media.id;
  }

  get id() {
    return this.#media.id;
  }

  connectedCallback() {
    shown.add(this);
    this.#draw();
    if (lacksHls(this.#media)) this.#load();
  }

  disconnectedCallback() {
    shown.delete(this);
    this.#stop();
  }

  /** Show the file as it is now. What was known of a finished file is not undone by older news. */
  show(media) {
    const before = this.#media;
    if (isUnfinished(media) && !isUnfinished(before)) return;
    this.#media = { ...media, hls_url: media.hls_url ?? before.hls_url, error: media.error ?? before.error };
    const isDrawn = ["status", "alt", "is_sensitive"].every((field) => media[field] === before[field]);
    const isNewFilm = hasFilm(this.#media) && !hasFilm(before) && !this.#isPlaying;
    if (this.isConnected && (!isDrawn || isNewFilm)) this.#draw();
  }

  /** Show a push. It is the same for all, so what each viewer gets of their own is loaded. */
  async hear(media) {
    this.show(media);
    if (lacksHls(media) || (media.status === "failed" && !media.error)) await this.#load();
  }

  progress(percent) {
    this.#percent = percent;
    const bar = this.querySelector("progress");
    if (bar) bar.value = percent;
  }

  /** The picture in several sizes. */
  get #sources() {
    return this.#media.variants.filter(({ content_type }) => content_type === "image/webp");
  }

  get #isPlaying() {
    const player = this.querySelector("video, audio");
    return Boolean(player) && (!player.paused || player.currentTime > 0);
  }

  async #load() {
    this.show(await this.#session.call("media.get", { media_id: this.id }));
  }

  #stop() {
    this.#hls?.destroy();
    this.#hls = null;
  }

  #draw() {
    this.#stop();
    const { status, is_sensitive, error } = this.#media;
    this.dataset.status = status;
    if (status === "failed") this.replaceChildren(element("small", { dir: "auto" }, error?.message ?? "This file failed"));
    else if (status !== "ready") this.replaceChildren(...this.#working());
    else this.replaceChildren(...(is_sensitive && !this.#isUncovered ? this.#cover() : this.#content()));
  }

  #working() {
    const known = this.#percent === null ? {} : { value: this.#percent };
    return [element("small", {}, "processing "), element("progress", { max: 100, "aria-label": "processing", ...known })];
  }

  #cover() {
    const uncover = () => {
      this.#isUncovered = true;
      this.#draw();
    };
    return [this.#blurred(), element("button", { type: "button", onclick: uncover }, "Show sensitive media")].filter(Boolean);
  }

  #content() {
    const { kind, variants } = this.#media;
    if (kind === "audio") return [this.#sound()];
    if (kind === "video") return this.#video();
    const animation = variants.find(({ name }) => name === "animation");
    if (!animation) return this.#picture();
    const still = this.#sources[0];
    return [this.#player("video", { muted: "", loop: "", src: animation.url, ...(still && { poster: still.url }) })];
  }

  #blurred() {
    const { blurhash, width, height } = this.#media;
    const canvas = blurhash && blurredPicture(blurhash);
    if (canvas && width && height) canvas.style.aspectRatio = `${width} / ${height}`;
    return canvas;
  }

  /** The blurred picture until the sharp one has come. */
  #picture() {
    const { alt, width, height } = this.#media;
    const blurred = this.#blurred();
    const picture = element("img", {
      alt,
      width,
      height,
      sizes: "20rem",
      srcset: this.#sources.map((variant) => `${variant.url} ${variant.width}w`).join(", "),
      onload: () => blurred?.remove(),
    });
    picture.addEventListener("error", () => this.#renew(), { once: true });
    return [blurred, picture].filter(Boolean);
  }

  /** A video with a stream has a button, because the player loads nothing before it is asked to play. */
  #video() {
    const { hls_url, poster_url, variants } = this.#media;
    const poster = poster_url ? { poster: poster_url } : {};
    const file = variants.find(({ content_type }) => content_type === "video/mp4");
    if (!hls_url) return [this.#player("video", { ...poster, src: file?.url ?? "" })];
    const video = this.#player("video", poster);
    video.controls = false;
    const play = async () => {
      button.remove();
      video.controls = true;
      video.focus();
      await this.#stream(video, hls_url);
      await video.play();
    };
    const button = element("button", { type: "button", "aria-label": "Play", onclick: play }, "▶");
    return [video, button];
  }

  /** Most browsers need hls.js. */
  async #stream(video, url) {
    const { Hls } = await import("./vendor/hls.light.min.mjs");
    if (video.parentNode !== this) return; // something else is shown meanwhile
    if (!Hls.isSupported()) {
      video.src = url;
      return;
    }
    this.#hls = new Hls({ enableWorker: false }); // the page's policy allows no worker
    this.#hls.on(Hls.Events.ERROR, (_, { fatal }) => fatal && this.#renew());
    this.#hls.loadSource(url);
    this.#hls.attachMedia(video);
  }

  #sound() {
    return this.#player("audio", { src: this.#media.variants[0]?.url ?? "" });
  }

  #player(tag, attributes) {
    const { alt, kind } = this.#media;
    const named = { controls: "", playsinline: "", preload: "none", "aria-label": alt || kind };
    const player = element(tag, { ...named, ...attributes });
    player.addEventListener("error", () => this.#renew(), { once: true });
    return player;
  }

  /** URLs expire: load new ones, unless they are fresh and the file is what fails. */
  async #renew() {
    const { urls_expire_at } = this.#media;
    if (urls_expire_at === null || Date.parse(urls_expire_at) > Date.now()) return;
    this.#media = await this.#session.call("media.get", { media_id: this.id });
    this.#draw();
  }
}

customElements.define("media-file", MediaFile);

/** A video has one stream for each viewer, which pushes do not carry. */
const lacksHls = ({ kind, status, hls_url }) => kind === "video" && status === "ready" && !hls_url;

const hasFilm = ({ hls_url, variants }) => Boolean(hls_url) || variants.some(({ name }) => name === "animation");
