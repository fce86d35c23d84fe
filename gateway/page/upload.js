// Uploads one file straight to the object store, in parts.

const AT_ONCE = 3; // parts
const TRIES = 4; // for each part
const LATER_MS = 1_000; // after a failure, and twice as long after the next
const SET_BY_BROWSERS = ["content-length", "host"];

/**
 * Upload the file and return its media, which is being processed then. description: {alt, is_sensitive}.
 * onProgress(share): how much has been sent, from 0 to 1. The upload is aborted if it fails, or by the signal.
 */
export async function upload(session, file, description, { onProgress, signal }) {
  const asked = { filename: file.name, content_type: file.type, size_bytes: file.size, ...description };
  const created = await session.call("media.create_upload", { ...asked, idempotency_key: crypto.randomUUID() });
  const { media_id, parts } = created;
  const partSize = parts[0].size_bytes; // all but the last have it
  const sent = new Map(); // by part number, in bytes
  const sendPart = async (part) => {
    const start = (part.part_number - 1) * partSize;
    await sendRepeatedly(session, media_id, part, file.slice(start, start + part.size_bytes), signal, (bytes) => {
      sent.set(part.part_number, bytes);
      onProgress([...sent.values()].reduce((sum, each) => sum + each, 0) / file.size);
    });
  };
  const waiting = [...parts];
  try {
    const sendNext = async () => {
      while (waiting.length > 0) await sendPart(waiting.shift());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sendNext));
    return await session.call("media.complete_upload", { media_id });
  } catch (failure) {
    waiting.length = 0;
    await session.call("media.abort_upload", { media_id }).catch(() => {}); // the server sweeps what is left
    throw failure;
  }
}

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

/** `fetch` does not tell how much was sent. */
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
