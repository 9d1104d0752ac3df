// Sending what may take hours: broken connections are waited out, and what arrived is not sent again.

const MIB = 2 ** 20;
const PART = 8 * MIB; // of a file that is sent in parts
const PARALLEL = 3; // requests with photos at a time
const BATCH = 32;
const BATCH_BYTES = 16 * MIB; // unless one photo is larger
const LONGEST_WAIT_S = 30;

// The server will not take it, however often it is sent.
export class Refused extends Error {
  constructor(status, answer) {
    super(answer?.detail ?? `The server answered with status ${status}.`);
    this.code = answer?.code;
    this.status = status;
  }
}

// What somebody at the page holds and lets go on.
export class Hold {
  #waiting = [];
  #aborting = new AbortController();
  held = false;

  get signal() {
    return this.#aborting.signal;
  }

  take() {
    this.held = true;
    this.#aborting.abort();
    this.#waiting.splice(0).forEach((go) => go());
  }

  letGo() {
    this.held = false;
    this.#aborting = new AbortController();
    this.#waiting.splice(0).forEach((go) => go());
  }

  async passed() {
    while (this.held) await new Promise((go) => this.#waiting.push(go));
  }

  // Ends early when it is held.
  async pause(seconds) {
    if (this.held) return;
    await new Promise((go) => {
      this.#waiting.push(go);
      setTimeout(go, 1000 * seconds);
    });
  }
}

// One request; status 0 when there was no answer. XMLHttpRequest, because fetch does not tell how
// much was sent.
export function ask(method, url, { body = null, headers = {}, onSent = () => {}, signal } = {}) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    const header = (name) => request.getResponseHeader(name);
    const end = () => {
      signal?.removeEventListener("abort", abort);
      if (request.status === 401) location.assign("/login");
      done({ status: request.status, answer: request.response, header });
    };
    const abort = () => request.abort();
    request.open(method, url);
    request.responseType = "json";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onSent(event.loaded / Math.max(1, event.total));
    request.onloadend = end;
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

// Asks until there is an answer that says more than "later"; ends with null when it is held.
async function insist(method, url, options, { hold, onWait }) {
  for (let failures = 0; !hold.held; failures += 1) {
    const found = await ask(method, url, { ...options, signal: hold.signal });
    const { status, answer, header } = found;
    const later = status === 0 || answer?.retryable || status >= 500;
    if (!later) return found;
    if (hold.held) return null;
    await requireReadable(options.body);
    const seconds = Number(header("Retry-After")) || Math.min(2 ** failures, LONGEST_WAIT_S);
    onWait(answer?.detail ?? "The server cannot be reached.", seconds);
    await hold.pause(seconds);
  }
  return null;
}

// The same, however often it is held and let go.
async function untilAnswered(method, url, options, { hold, onWait }) {
  for (;;) {
    await hold.passed();
    const found = await insist(method, url, options, { hold, onWait });
    if (found !== null) return found;
  }
}

// Sums up what was sent of several things at a time.
function totalling(onSent) {
  const sent = new Map();
  return (what, bytes) => {
    sent.set(what, bytes);
    onSent([...sent.values()].reduce((sum, each) => sum + each, 0));
  };
}

// A file that was changed or removed fails like a broken connection, and for ever.
async function requireReadable(body) {
  const files = body instanceof FormData ? body.getAll("photos") : body instanceof Blob ? [body] : [];
  try {
    for (const file of files) await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refused(0, { detail: "The file was changed or removed meanwhile: choose it again.", code: "file_changed" });
  }
}

// Sends a file from wherever the server has it. onSent gets the bytes that are there.
export async function sendContent(url, file, { hold, onSent, onWait }) {
  let offset = null;
  for (;;) {
    await hold.passed();
    if (offset === null) {
      const found = await untilAnswered("HEAD", url, {}, { hold, onWait });
      // An answer to HEAD has no body that would say it: it takes no more, or has all.
      if (found.status === 409) throw new Refused(409, { code: "wrong_state" });
      if (found.status !== 200 && found.status !== 204) throw new Refused(found.status, null);
      offset = Number(found.header("Upload-Offset"));
    }
    onSent(offset);
    if (offset >= file.size) return;
    offset = await sendPart(url, file, offset, { hold, onSent, onWait });
  }
}

// Returns where the next part begins; null when only the server knows.
async function sendPart(url, file, offset, { hold, onSent, onWait }) {
  const body = file.slice(offset, offset + PART);
  const headers = { "Upload-Offset": String(offset), "Content-Type": "application/octet-stream" };
  const found = await ask("PATCH", url, {
    body, headers, signal: hold.signal, onSent: (share) => onSent(offset + share * body.size),
  });
  if (found.status === 204) return Number(found.header("Upload-Offset"));
  const { status, answer } = found;
  if (status >= 400 && status < 500 && !answer?.retryable && answer?.code !== "offset_mismatch") {
    throw new Refused(status, answer);
  }
  if (hold.held) return null;
  await requireReadable(body);
  if (answer?.code !== "offset_mismatch") {
    const seconds = Number(found.header("Retry-After")) || 1;
    onWait(answer?.detail ?? "The connection broke.", seconds);
    await hold.pause(seconds);
  }
  return null;
}

// Sends photos, several at a time. Each is { file, key }; those that are refused get `refused`, in words.
export async function sendPhotos(url, photos, { hold, onSent, onWait, most }) {
  const batches = batched(photos, Math.min(most, BATCH));
  const tell = totalling(onSent);
  const take = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const rest = await sendBatch(url, batch, { hold, onWait, tell });
      batches.unshift(...rest);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, take));
}

// Returns what is to be sent alone.
async function sendBatch(url, batch, { hold, onWait, tell }) {
  const size = batch.reduce((sum, photo) => sum + photo.file.size, 0);
  const body = new FormData();
  for (const { file, key } of batch) body.append("photos", file, key);
  const onSent = (share) => tell(batch, share * size);
  const found = await untilAnswered("POST", url, { body, onSent }, { hold, onWait }).catch(gone);
  if (found.status === 200) {
    tell(batch, size);
    return [];
  }
  if (found.status === 404 || found.answer?.code === "wrong_state") {
    throw new Refused(found.status, found.answer);
  }
  tell(batch, 0);
  if (batch.length > 1) return batch.map((photo) => [photo]);
  batch[0].refused = new Refused(found.status, found.answer).message;
  return [];
}

// Of several photos one may be gone: then each is sent alone, and that one is told of.
function gone(error) {
  if (error.code !== "file_changed") throw error;
  return { status: 400, answer: { detail: error.message } };
}

function batched(photos, most) {
  const batches = [];
  let bytes = Infinity;
  for (const photo of photos) {
    const last = batches.at(-1);
    if (bytes + photo.file.size > BATCH_BYTES || last.length >= most) {
      batches.push([photo]);
      bytes = photo.file.size;
    } else {
      last.push(photo);
      bytes += photo.file.size;
    }
  }
  return batches;
}

async function isThere(url, file, { hold, onWait }) {
  const found = await untilAnswered("HEAD", url, {}, { hold, onWait });
  return found.status < 300 && Number(found.header("Upload-Offset")) === file.size;
}

// Sends files that a manifest names, several at a time; of an import that was begun before only those
// that are not there.
export async function sendFiles(url, files, { hold, onSent, onWait, begunBefore }) {
  const left = [...files];
  const tell = totalling(onSent);
  const take = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { file, key } = next;
      const to = `${url}/${key.split("/").map(encodeURIComponent).join("/")}`;
      const headers = { "Content-Type": "application/octet-stream" };
      if (begunBefore && (await isThere(to, file, { hold, onWait }))) {
        tell(key, file.size);
        continue;
      }
      const options = { body: file, headers, onSent: (share) => tell(key, share * file.size) };
      const found = await untilAnswered("PUT", to, options, { hold, onWait });
      if (found.status >= 400) next.refused = new Refused(found.status, found.answer).message;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, take));
}
