// Imports of a collection: those that are under way move, and a new one is chosen and sent.

import { chosenIn, dropped, listenForDrops } from "./files.js";
import { answered, draw, isOver, look, size } from "./import-progress.js";
import { ask, Hold, Refused, sendContent, sendFiles, sendPhotos } from "./sending.js";

const MIB = 2 ** 20;
const LOOK_MS = 3000;
const ARCHIVE = /\.(zip|tar|tgz|tar\.gz|tar\.zst|tzst)$/i;
const MANIFEST = /\.(ndjson|jsonl|csv)$/i;
const JUNK = /(^|\/)(\.|__MACOSX\/|(thumbs\.db|desktop\.ini)$)/i; // what systems leave in folders

const form = document.getElementById("new-import");
const sending = document.getElementById("sending");
const part = (root, name) => root.querySelector(`[data-${name}]`);

let chosen = null; // { source, files: [{ file, key }], manifest, name, bytes, mark }
let known = null; // an import that these very files were begun with
let times = 0; // that they were
let recognised = null; // when both are known
let hold = null; // while something is sent

for (const row of document.querySelectorAll("[data-import]")) watch(row);

if (form) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => takeChosen(input));
  }
  form.addEventListener("submit", (event) => {
    if (!chosen) return; // a folder of the server, or nothing: the form says which
    event.preventDefault();
    run();
  });
  part(sending, "hold").addEventListener("click", () => setHeld(true));
  part(sending, "go-on").addEventListener("click", () => setHeld(false));
  addEventListener("beforeunload", (event) => {
    if (hold) event.preventDefault();
  });
  listenForDrops(form.querySelector(".drop"), async (transfer) => {
    const { files, isFolder } = await dropped(transfer);
    choose(files, isFolder);
  });
  for (const input of form.querySelectorAll("input[type=file]")) {
    if (input.files.length) takeChosen(input); // chosen before this ran
  }
}

async function watch(row) {
  for (;;) {
    if (!document.hidden && row.dataset.import) {
      const shown = await look(row.dataset.import);
      if (shown) draw(row, shown);
      if (shown && isOver(shown)) return;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

// Choosing

function takeChosen(input) {
  const files = chosenIn(input);
  if (files.length) choose(files, input.webkitdirectory);
}

async function choose(given, isFolder) {
  if (hold) return;
  complain(null);
  const all = unique(given.filter(({ key }) => !JUNK.test(key)));
  const { files, manifest } = besideManifest(all);
  const isPhotos = isFolder && !manifest;
  const wrong = files.length === 0 ? "There is no photo among them." : mixed(files, isPhotos);
  chosen = wrong ? null : described(files, isPhotos, manifest);
  known = null;
  times = 0;
  if (wrong) complain(wrong);
  drawChosen();
  if (chosen) await (recognised = recognise(chosen));
}

// Two files of one name would be one photo to the server.
function unique(files) {
  const times = new Map();
  return files.map(({ file, key }) => {
    const count = (times.get(key) ?? 0) + 1;
    times.set(key, count);
    return { file, key: count === 1 ? key : key.replace(/(\.[^./]*)?$/, ` (${count})$1`) };
  });
}

// A manifest that was chosen with what it names: beside it, or in one folder with it, whose name is no
// part of what it calls its photos then.
function besideManifest(files) {
  const root = `${files[0]?.key.split("/")[0]}/`;
  const inOne = files.every(({ key }) => key.startsWith(root));
  const inside = inOne ? files.map(({ file, key }) => ({ file, key: key.slice(root.length) })) : files;
  const manifest = inside.find(({ key }) => MANIFEST.test(key) && !key.includes("/"));
  return manifest ? { files: inside, manifest } : { files, manifest };
}

function mixed(files, isFolder) {
  if (isFolder) return null;
  if (files.some(({ file, key }) => file.size === 0 && (ARCHIVE.test(key) || MANIFEST.test(key)))) return "This file is empty.";
  if (files.length === 1) return null;
  if (files.some(({ key }) => ARCHIVE.test(key))) return "An archive is imported alone: choose only it.";
  if (files.filter(({ key }) => MANIFEST.test(key) && !key.includes("/")).length > 1) return "Choose one manifest at a time.";
  return null;
}

function described(files, isFolder, manifest) {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  const isArchive = !isFolder && files.length === 1 && ARCHIVE.test(files[0].key);
  const source = manifest ? "manifest" : isArchive ? "archive" : "files";
  const folder = isFolder ? files[0].key.split("/")[0] : "";
  const photos = `${files.length.toLocaleString("en")} ${files.length === 1 ? "photo" : "photos"}`;
  return {
    source, files, bytes, manifest,
    words: source === "files" ? (folder ? `${folder}: ${photos}` : photos) : (manifest ?? files[0]).key,
    name: source === "files" ? folder || (files.length === 1 ? files[0].key : photos) : (manifest ?? files[0]).key,
    mark: markOf(files, bytes),
  };
}

// What the same files have again after a reload. Not by their bytes: there may be gigabytes.
function markOf(files, bytes) {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  const sorted = [...files].sort((one, other) => (one.key < other.key ? -1 : 1)); // dropped and chosen alike
  for (const { file, key } of sorted) {
    for (const letter of `${key}:${file.size}:${file.lastModified}\n`) {
      const code = letter.codePointAt(0);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15);
    }
  }
  const hex = (number) => (number >>> 0).toString(16).padStart(8, "0");
  return `page:${files.length}:${bytes}:${hex(a)}${hex(b)}`;
}

function drawChosen() {
  const element = part(form, "chosen");
  element.hidden = !chosen;
  element.textContent = chosen ? `${chosen.words}, ${size(chosen.bytes)}` : "";
  part(form, "known").hidden = true;
  part(form, "options").disabled = false;
  const dry = form.elements.dry_run;
  dry.disabled = chosen?.source === "files";
  if (dry.disabled) dry.checked = false;
  part(form, "begin").textContent = "Start the import";
}

// Were these very files begun before? Then sending goes on there.
async function recognise(those) {
  const found = await answered(`/v1/collections/${form.dataset.collection}/imports?limit=100`, "json");
  if (!found || chosen !== those) return;
  const { items } = found;
  const same = items.filter((each) => isMarked(each, those.mark));
  times = same.length;
  known = same.find((each) => !isOver(each)) ?? null;
  if (!known) return;
  for (const [name, value] of Object.entries(known.options)) setOption(name, value);
  part(form, "options").disabled = true;
  const there = known.bytes_received ? `${size(known.bytes_received)} of it came before` : "It was begun before";
  part(form, "known").textContent = `${there}; it goes on there, with the options of then.`;
  part(form, "known").hidden = false;
  part(form, "begin").textContent = "Go on";
}

function isMarked({ external_id: id }, mark) {
  return id === mark || Boolean(id?.startsWith(`${mark}#`));
}

function setOption(name, value) {
  const field = form.elements[name];
  if (!field) return;
  if (field.type === "checkbox") field.checked = value;
  else field.value = Array.isArray(value) ? value.join(", ") : value ?? "";
}

function complain(words) {
  const alert = part(form, "trouble");
  alert.hidden = words === null;
  alert.querySelector("p").textContent = words ?? "";
}

// Sending

async function run() {
  complain(null);
  hold = new Hold();
  form.hidden = true;
  sending.hidden = false;
  setHeld(false);
  part(sending, "name").textContent = chosen.words;
  sending.querySelector("h2").focus();
  try {
    await recognised;
    const found = known ?? (await create());
    part(sending, "link").href = `/imports/${found.id}`;
    part(sending, "link").hidden = false;
    sending.dataset.import = found.id;
    await send(found);
  } catch (error) {
    stop(error);
    if (!(error instanceof Refused)) throw error; // a fault of this page: told, and not hidden
  }
}

async function send(found) {
  const url = `/v1/imports/${found.id}`;
  if (chosen.source === "files") {
    await sendPhotosTo(url);
  } else {
    const whole = chosen.manifest ?? chosen.files[0];
    const others = chosen.files.filter((each) => each !== whole);
    await sendFiles(`${url}/files`, others, { ...hooks(0), begunBefore: known !== null });
    await sendContent(`${url}/content`, whole.file, hooks(chosen.bytes - whole.file.size));
  }
  end(found);
}

async function sendPhotosTo(url) {
  const there = known ? await keysOf(url) : new Set();
  const most = Number(form.dataset.maxBytes);
  for (const photo of chosen.files) {
    if (photo.file.size > most) photo.refused = `It is larger than ${Math.floor(most / MIB)} MiB.`;
  }
  const left = chosen.files.filter(({ key, refused }) => !refused && !there.has(key));
  const before = chosen.bytes - left.reduce((sum, { file }) => sum + file.size, 0);
  await sendPhotos(`${url}/photos`, left, { ...hooks(before), most: Number(form.dataset.maxPhotos) });
  await answerOf(ask("POST", `${url}/start`));
}

function hooks(before) {
  return { hold, onSent: (bytes) => drawSent(before + bytes), onWait: drawWait };
}

function end(found) {
  hold = null;
  const refused = chosen.files.filter((each) => each.refused);
  if (refused.length === 0) {
    location.assign(`/imports/${found.id}`);
    return;
  }
  drawSent(chosen.bytes);
  part(sending, "said").textContent = "Sent, but for these:";
  for (const { key, refused: words } of refused) {
    const row = part(sending, "refused").appendChild(document.createElement("li"));
    row.className = "file-row is-failed";
    for (const [name, text] of [["file-name", key], ["file-state", words]]) {
      const cell = row.appendChild(document.createElement("span"));
      cell.className = name;
      cell.textContent = text;
    }
  }
  part(sending, "hold").hidden = part(sending, "go-on").hidden = true;
}

function stop(error) {
  hold = null;
  // It has all, or was cancelled: its page says which.
  const page = part(sending, "link");
  if (error.code === "wrong_state" && !page.hidden) {
    location.assign(page.href);
    return;
  }
  form.hidden = false;
  sending.hidden = true;
  complain(error.message);
}

// The same files again after their import is over make another one.
async function create() {
  const { source, mark, name, bytes, manifest } = chosen;
  const body = { source, name, ...options() };
  if (source === "manifest") body.format = /\.csv$/i.test(name) ? "csv" : "ndjson";
  if (source !== "files") body.bytes = manifest?.file.size ?? bytes;
  for (let count = times + 1; ; count += 1) {
    const external_id = count === 1 ? mark : `${mark}#${count}`;
    const found = await post({ ...body, external_id });
    if (found.answer?.code === "name_taken") continue;
    const made = await answerOf(found);
    if (found.status === 201 || !isOver(made)) return made;
  }
}

async function post(body) {
  return ask("POST", `/v1/collections/${form.dataset.collection}/imports`, {
    body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
  });
}

function options() {
  const { on_duplicate, people_by_folder, dry_run, tags } = form.elements;
  return {
    on_duplicate: on_duplicate.value,
    people_by_folder: people_by_folder.checked,
    dry_run: dry_run.checked,
    tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
  };
}

async function answerOf(found) {
  const { status, answer } = await found;
  if (status < 200 || status >= 300) throw new Refused(status, answer ?? { detail: "The server cannot be reached." });
  return answer;
}

// Which photos of an import are there.
async function keysOf(url) {
  const lines = ((await answered(`${url}/results?format=ndjson`, "text")) ?? "").split("\n").filter(Boolean);
  return new Set(lines.map((line) => JSON.parse(line).key));
}

function setHeld(held) {
  if (held) hold.take();
  else hold.letGo();
  const [stopping, going] = [part(sending, "hold"), part(sending, "go-on")];
  const focused = [stopping, going].includes(document.activeElement);
  stopping.hidden = held;
  going.hidden = !held;
  if (focused) (held ? going : stopping).focus();
  part(sending, "said").textContent = held ? "Stopped. What arrived stays." : "";
}

function drawSent(bytes) {
  const bar = document.getElementById("sent");
  bar.max = Math.max(1, chosen.bytes);
  bar.value = bytes;
  part(sending, "sent").textContent = `${size(bytes)} of ${size(chosen.bytes)}`;
  if (!hold?.held) part(sending, "said").textContent = "";
}

function drawWait(words, seconds) {
  part(sending, "said").textContent = `${words} Trying again in ${Math.round(seconds)} s.`;
}
