// The viewer's own picture: picked in the card, processed, and then used as the avatar.
import { find } from "./dom.js";
import { upload } from "./upload.js";

/** onChanged(user): called with the viewer's profile once it has the new picture. */
export function offerAvatar(session, onChanged) {
  const form = find("card-avatar");
  const [picker, bar] = [form.querySelector("input"), form.querySelector("progress")];
  const finished = new Map(); // by id: called once the file is ready or has failed
  for (const name of ["media.ready", "media.failed"]) session.on(name, ({ media }) => finished.get(media.id)?.(media));

  /** Only a processed picture can be an avatar. */
  async function processed({ id }) {
    const pushed = new Promise((resolve) => finished.set(id, resolve));
    const now = await session.call("media.get", { media_id: id }); // it may have been ready before we waited
    const media = now.status === "processing" ? await pushed : now;
    finished.delete(id);
    if (media.status === "failed") throw new Error(media.error?.message ?? "The picture could not be processed");
    return media;
  }

  picker.addEventListener("change", async () => {
    const [file] = picker.files;
    if (!file) return;
    picker.disabled = true;
    bar.hidden = false;
    try {
      const sent = await upload(session, file, {}, {
        onProgress: (share) => (bar.value = share),
        signal: new AbortController().signal,
      });
      bar.removeAttribute("value");
      const { id } = await processed(sent);
      onChanged(await session.call("user.update", { avatar_media_id: id }));
    } finally {
      picker.value = "";
      picker.disabled = false;
      bar.hidden = true;
    }
  });
}
