// Uploads one file straight to the object store, in parts. An upload that a reload interrupts is resumed.

const AT_ONCE = 3; // parts
const TRIES = 4; // for each part
const LATER_MS = 1_000; // after a failure, and twice as long after the next
const SET_BY_BROWSERS = ["content-length", "host"];

const running = new Set(); // ids of media

/**
 * Upload the file and return its media, which is being processed then. description: {alt, is_sensitive}.
 * onProgress(share): how much has been sent, from 0 to 1. The signal aborts the upload; one that fails may be resumed.
 */
export async function upload(session, file, description, { onProgress, signal }) {
  const { media_id, parts, partSize } = (await resume(session, file, description)) ?? (await begin(session, file, description));
  const sent = new Map([["before", file.size - sum(parts.map(({ size_bytes }) => size_bytes))]]); // by part, in bytes
  const sendPart = async (part) => {
    const start = (part.part_number - 1) * partSize;
    await sendRepeatedly(session, media_id, part, file.slice(start, start + part.size_bytes), signal, (bytes) => {
      sent.set(part.part_number, bytes);
      onProgress(sum([...sent.values()]) / file.size);
    });
  };
  const waiting = [...parts];
  const sendNext = async () => {
    while (waiting.length > 0) await sendPart(waiting.shift());
  };
  running.add(media_id);
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, sendNext));
    const media = await session.call("media.complete_upload", { media_id });
    sessionStorage.removeItem(keyOf(file));
    return media;
  } catch (failure) {
    waiting.length = 0;
    // The server sweeps what nobody aborts or resumes.
    if (signal.aborted) await session.call("media.abort_upload", { media_id }).catch(() => {});
    throw failure;
  } finally {
    running.delete(media_id);
  }
}

async function begin(session, file, description) {
  const asked = { filename: file.name, content_type: file.type, size_bytes: file.size, ...description };
  const created = await session.call("media.create_upload", { ...asked, idempotency_key: crypto.randomUUID() });
  const { media_id, parts } = created;
  sessionStorage.setItem(keyOf(file), media_id);
  return { media_id, parts, partSize: parts[0].size_bytes }; // all but the last have it
}

/** The parts that the store does not have yet of this file. null: it was not begun, or its upload has ended. */
async function resume(session, file, description) {
  const media_id = sessionStorage.getItem(keyOf(file));
  if (!media_id || running.has(media_id)) return null;
  try {
    const { items, part_count, part_size_bytes } = await session.call("media.parts", { media_id });
    const stored = items.map(({ part_number }) => part_number);
    const missing = Array.from({ length: part_count }, (_, index) => index + 1).filter((each) => !stored.includes(each));
    await session.call("media.update", { media_id, ...description });
    if (missing.length === 0) return { media_id, parts: [], partSize: part_size_bytes };
    const { parts } = await session.call("media.renew_upload", { media_id, part_numbers: missing });
    return { media_id, parts, partSize: part_size_bytes };
  } catch {
    return null;
  }
}

/** Identifies a file after a reload, when it is picked again. */
const keyOf = ({ name, size, lastModified }) => `upload:${name}:${size}:${lastModified}`;

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

/** Send a part, and again after a failure, with a new URL, because the first may have expired. */
async function sendRepeatedly(session, media_id, part, blob, signal, onSent) {
  for (let tries = 1; ; tries++) {
    try {
      return await send(part, blob, signal, onSent);
    } catch (failure) {
      if (signal.aborted || tries === TRIES) throw failure;
    }
    await new Promise((resolve) => setTimeout(resolve, LATER_MS * 2 ** (tries - 1)));
    const renewed = await session.call("media.renew_upload", { media_id, part_numbers: [part.part_number] });
    [part] = renewed.parts;
  }
}

/** `fetch` does not report how much was sent. */
function send({ method, url, headers, part_number }, blob, signal, onSent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const fail = (words) => reject(new Error(`part ${part_number} of the file was not sent: ${words}`));
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      if (!SET_BY_BROWSERS.includes(name.toLowerCase())) request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", ({ loaded }) => onSent(loaded));
    request.addEventListener("load", () => (request.status < 300 ? resolve() : fail(`status ${request.status}`)));
    request.addEventListener("error", () => fail("no connection to the store"));
    request.addEventListener("abort", () => fail("aborted"));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.addEventListener("abort", abort);
    if (signal.aborted) fail("aborted");
    else request.send(blob);
  });
}
