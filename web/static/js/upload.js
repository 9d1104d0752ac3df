// Adding photos with live progress: a few small requests at a time, then the jobs that they made
// are asked how far they are.

import { chosenIn, dropped, listenForDrops } from "./files.js";

const MIB = 2 ** 20;
const PARALLEL = 2;
const MOST_BYTES = 16 * MIB; // of one request, unless one photo is larger
const JOBS_ASKED = 4; // of those that are not done, per round
const ROUND_MS = 700;
const FINAL = new Set(["indexed", "skipped", "rejected", "dead"]);
const WORDS = {
  queued: "In line",
  sending: "Sending",
  waiting: "Waiting for a worker",
  running: "A worker looks at it",
  indexed: "Indexed",
  skipped: "Already here",
  rejected: "Refused",
  dead: "Given up",
  failed: "Not sent",
};

const section = document.getElementById("upload");
const form = section?.querySelector("form");
const panel = document.getElementById("uploads");
const part = (name) => panel.querySelector(`[data-${name}]`);

const photos = []; // every photo of this visit: file, state, detail, row, loaded bytes
const jobs = new Map(); // photos by job id, while the job is not done
let active = 0;
let polling = false;

if (section) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => add(chosenIn(input)));
    add(chosenIn(input)); // what was chosen before this ran
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  part("retry").addEventListener("click", retry);
  part("stop").addEventListener("click", stop);
  addEventListener("paste", (event) => {
    if (event.target.closest("input")) return;
    add([...event.clipboardData.files].map((file) => ({ file, key: file.name })));
  });
  addEventListener("beforeunload", (event) => {
    if (photos.some((photo) => ["queued", "sending"].includes(photo.state))) event.preventDefault();
  });
  listenForDrops(form, async (transfer) => add((await dropped(transfer)).files));
}

function add(files) {
  const most = Number(section.dataset.maxBytes);
  const list = part("files");
  for (const { file, key: name } of files) {
    if (file.name.startsWith(".")) continue; // what systems leave in folders
    const row = list.appendChild(document.createElement("li"));
    row.append(element("span", "file-name", name), element("span", "file-state"));
    const photo = { file, name, row, loaded: 0, state: "", detail: "" };
    photos.push(photo);
    if (file.size > most) set(photo, "rejected", `Larger than ${Math.floor(most / MIB)} MiB`);
    else set(photo, "queued");
  }
  panel.hidden = photos.length === 0;
  pump();
}

function set(photo, state, detail = "") {
  photo.state = state;
  photo.row.className = `file-row is-${state}`;
  photo.row.querySelector(".file-state").textContent = detail || WORDS[state];
}

function pump() {
  while (active < PARALLEL) {
    const batch = nextBatch();
    if (batch.length === 0) break;
    active += 1;
    send(batch).finally(() => {
      active -= 1;
      pump();
    });
  }
  draw();
}

function nextBatch() {
  const most = Number(section.dataset.maxPhotos);
  const batch = [];
  let bytes = 0;
  for (const photo of photos) {
    if (photo.state !== "queued") continue;
    const full = batch.length >= Math.min(8, most) || bytes + photo.file.size > MOST_BYTES;
    if (batch.length > 0 && full) break;
    batch.push(photo);
    bytes += photo.file.size;
  }
  return batch;
}

async function send(batch) {
  const body = new FormData();
  for (const photo of batch) {
    set(photo, "sending");
    body.append("photos", photo.file, photo.name);
  }
  if (form.elements.tags.value.trim()) body.append("tags", form.elements.tags.value);
  const { status, answer } = await post(body, (share) => {
    for (const photo of batch) photo.loaded = share;
    draw();
  });
  if (status === 401) location.assign("/login");
  if (status >= 200 && status < 300) {
    batch.forEach((photo, position) => settle(photo, answer.items[position]));
    jobs.set(answer.job_id, batch);
    poll();
    return;
  }
  // One photo alone is refused with a problem; of several each has its own state.
  // A tag that is refused can be mended, and the photos sent again.
  const mendable = answer?.retryable || answer?.code === "invalid_request";
  const refused = batch.length === 1 && status >= 400 && status < 500 && !mendable;
  for (const photo of batch) {
    photo.loaded = refused ? 1 : 0;
    set(photo, refused ? "rejected" : "failed", answer?.detail ?? (status ? `Status ${status}` : ""));
  }
}

// XMLHttpRequest, because fetch does not tell how much was sent.
function post(body, onShare) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/collections/${section.dataset.collection}/images`);
    request.responseType = "json";
    request.upload.onprogress = (event) => onShare(event.loaded / Math.max(1, event.total));
    request.onload = () => done({ status: request.status, answer: request.response });
    request.onerror = () => done({ status: 0, answer: null });
    request.send(body);
  });
}

function settle(photo, item) {
  photo.loaded = 1;
  const told = item.state === "skipped" ? "" : item.detail;
  const noFace = item.reason === "no_face_found" ? "No face was found" : "";
  set(photo, item.state, told || noFace);
  if (item.image_id) link(photo, item.image_id);
}

function link(photo, imageId) {
  const name = photo.row.querySelector(".file-name");
  if (name.querySelector("a")) return;
  const anchor = element("a", "", photo.name);
  anchor.href = `/images/${imageId}`;
  name.replaceChildren(anchor);
}

async function poll() {
  if (polling) return;
  polling = true;
  while (jobs.size > 0) {
    const asked = [...jobs.keys()].slice(0, JOBS_ASKED);
    await Promise.all(asked.map(look));
    draw();
    if (jobs.size > 0) await new Promise((done) => setTimeout(done, ROUND_MS));
  }
  polling = false;
}

async function look(job) {
  const response = await fetch(`/v1/jobs/${job}/items`).catch(() => null);
  if (response?.status === 401) location.assign("/login");
  if (response?.status === 404) jobs.delete(job);
  if (!response?.ok) return; // asked again in the next round
  const { items } = await response.json();
  const batch = jobs.get(job);
  for (const item of items) settle(batch[item.position], item);
  if (items.every((item) => FINAL.has(item.state))) jobs.delete(job);
}

function draw() {
  const count = (...states) => photos.filter((photo) => states.includes(photo.state)).length;
  const bytes = photos.reduce((sum, photo) => sum + photo.file.size, 0);
  const sent = photos.reduce((sum, photo) => sum + photo.file.size * photo.loaded, 0);
  const done = count("indexed", "skipped", "rejected", "dead");
  meter("sent", sent, bytes, `${(sent / MIB).toFixed(1)} of ${(bytes / MIB).toFixed(1)} MiB`);
  meter("indexed", done, photos.length, `${done} of ${photos.length}`);
  const failed = count("failed");
  const open = photos.length - done - failed;
  part("summary").textContent = open > 0 ? "" : outcome(count, failed);
  part("retry").hidden = failed === 0;
  part("stop").hidden = count("queued") === 0;
  part("refresh").hidden = open > 0 || count("indexed") === 0;
}

function outcome(count, failed) {
  const told = [
    [count("indexed"), "indexed"],
    [count("skipped"), "already here"],
    [count("rejected"), "refused"],
    [count("dead"), "given up"],
    [failed, "not sent"],
  ];
  return told.filter(([number]) => number > 0).map((pair) => pair.join(" ")).join(", ");
}

function meter(name, value, most, words) {
  const bar = document.getElementById(name);
  bar.max = Math.max(1, most);
  bar.value = value;
  part(name).textContent = words;
}

function retry() {
  photos.filter((photo) => photo.state === "failed").forEach((photo) => set(photo, "queued"));
  pump();
}

function stop() {
  photos.filter((photo) => photo.state === "queued").forEach((photo) => set(photo, "failed", "Stopped"));
  draw();
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
