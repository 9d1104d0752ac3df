// Searching without leaving the page. The server renders every result; this only sends the photo,
// shows that something happens, and puts the answer in its place.

import { listenForDrops } from "./files.js";
import { keepResult, keptResult } from "./memory.js";
import { choose, dress } from "./picture.js";

const search = document.getElementById("search");
const form = document.getElementById("search-form");
const results = document.getElementById("results");
const status = document.getElementById("status");

let photo = null; // the last photo, to search again with
let sending = null; // aborts the request under way

if (search) {
  form.addEventListener("submit", (event) => {
    if (event.submitter?.formMethod === "get") {
      photoInputs().forEach((input) => (input.disabled = true)); // their names say nothing
      return;
    }
    event.preventDefault();
    if (photo) find(photo);
    else tell("Choose a photo first", "Drop one here, paste it, or pick a file.");
  });
  const inputs = photoInputs();
  inputs.forEach((input) => input.addEventListener("change", () => takeChosen(input)));
  form.elements.collection.addEventListener("change", changeCollection);
  form.elements.threshold.addEventListener("change", () => photo && find(photo));
  form.querySelector(".filters").addEventListener("change", () => photo && find(photo));
  listenForDrops(search, (transfer) => take(transfer.files));
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("keydown", step);
  results.addEventListener("click", click);
  addEventListener("popstate", restore);
  restore();
  inputs.forEach(takeChosen); // what was chosen before this ran
}

function photoInputs() {
  return form.querySelectorAll("input[type=file]");
}

function takeChosen(input) {
  take(input.files);
  input.value = ""; // the same file can be chosen again
}

function take(files) {
  const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
  if (file) find(file);
}

async function find(file) {
  photo = file;
  sending?.abort();
  const most = Number(form.dataset.maxBytes);
  if (file.size > most) {
    tell("This file is too large", `At most ${Math.floor(most / 2 ** 20)} MiB are taken.`);
    return;
  }
  sending = new AbortController();
  showScan(file);
  const body = new FormData(form);
  body.delete("camera");
  body.set("photo", file, file.name || "pasted.png");
  try {
    const { signal } = sending;
    const response = await fetch("/", {
      method: "POST",
      headers: { "X-Fragment": "1" },
      body,
      signal,
    });
    await answer(response);
  } catch (error) {
    if (error.name === "AbortError") return;
    tell("The server cannot be reached", "Look at your connection and try again.", true);
  } finally {
    results.removeAttribute("aria-busy");
  }
}

async function answer(response) {
  const html = await response.text();
  if (response.status === 401) location.assign("/login");
  else if (response.headers.has("X-Fragment")) keep(html, response.ok);
  else if (response.status === 413) tell("This file is too large", "Save it smaller and try again.");
  else tell("Something went wrong", `The server answered with status ${response.status}.`, true);
}

// A result gets an entry in the history: "back" leads from it to the empty form, and from a page
// that was opened from it to the result.
function keep(html, good) {
  if (good) {
    const token = crypto.randomUUID?.() ?? String(Math.random());
    const address = `/?collection=${form.elements.collection.value}`;
    if (history.state?.result) history.replaceState({ result: token }, "", address);
    else history.pushState({ result: token }, "", address);
    keepResult(token, html);
  }
  show(html);
}

function restore() {
  const html = keptResult(history.state?.result);
  if (html) {
    show(html);
  } else if (results.querySelector(".outcome")) {
    if (results.dataset.restored) location.reload();
    else arrange();
  } else {
    search.classList.remove("has-results");
  }
  results.dataset.restored = "1";
}

function show(html) {
  results.innerHTML = html;
  search.classList.add("has-results");
  arrange();
}

function arrange() {
  const summary = results.querySelector("[data-summary]")?.dataset.summary ?? "";
  status.textContent = summary;
  dress(results.querySelector("[data-picture]"));
  const answers = results.querySelectorAll(".answer");
  if (answers.length === 0) return;
  results.classList.toggle("picks", answers.length > 1);
  const wanted = location.hash.replace("#face-", "");
  const known = [...answers].some((each) => each.dataset.face === wanted);
  choose(results, known ? wanted : answers[0].dataset.face);
}

function click(event) {
  if (event.target.closest("[data-again]") && photo) find(photo);
  const asked = event.target.closest("[data-further], [data-why]");
  if (asked && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    if (asked.hasAttribute("data-why")) explain(asked);
    else further(asked);
    return;
  }
  const link = event.target.closest("a[data-face]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  pick(link.dataset.face);
}

function pick(face) {
  choose(results, face);
  history.replaceState(history.state, "", `#face-${face}`);
  const chosen = results.querySelector(".answer.is-chosen");
  status.textContent = `Face ${face}: ${chosen.querySelector("h2").textContent}`;
  results.querySelector(".chip.is-chosen")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (chosen.getBoundingClientRect().top > innerHeight * 0.75) chosen.scrollIntoView();
}

// The next rows of a result, below those that are there.
async function further(link) {
  const part = await fetchPart(link);
  if (!part) return;
  const list = link.closest(".answer").querySelector(".cards");
  const rows = [...part.querySelector(".cards").children];
  if (list.querySelector(".divider") && rows[0]?.matches(".divider")) rows.shift();
  list.append(...rows);
  const next = part.querySelector("[data-further]");
  if (next) link.href = next.href;
  else link.parentElement.remove();
  rows.find((row) => row.matches(".card"))?.querySelector("a")?.focus({ preventScroll: true });
  status.textContent = `${rows.filter((row) => row.matches(".card")).length} more results.`;
  keepShown();
}

// The reasons of a result, where they were asked for; asked again, they go.
async function explain(link) {
  const shown = link.parentElement.nextElementSibling;
  if (shown?.matches(".why")) {
    shown.remove();
    link.setAttribute("aria-expanded", "false");
    return;
  }
  const part = await fetchPart(link);
  if (!part) return;
  const why = part.querySelector(".why");
  link.parentElement.after(why);
  link.setAttribute("aria-expanded", "true");
  why.focus({ preventScroll: true });
}

async function fetchPart(link) {
  link.setAttribute("aria-busy", "true");
  const response = await fetch(link.href, { headers: { "X-Fragment": "1" } }).catch(() => null);
  link.removeAttribute("aria-busy");
  if (response?.ok && response.headers.has("X-Fragment")) {
    return new DOMParser().parseFromString(await response.text(), "text/html");
  }
  location.assign(link.href); // the page there says what is wrong
  return null;
}

function keepShown() {
  const token = history.state?.result;
  if (!token) return;
  const shown = results.cloneNode(true);
  // Sizes of labels; the page's policy refuses styles that come as text.
  shown.querySelectorAll("[style]").forEach((each) => each.removeAttribute("style"));
  keepResult(token, shown.innerHTML);
}

function step(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const typing = event.target.closest?.("input:not([type=file]), select, textarea");
  if (!by || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const faces = [...results.querySelectorAll(".answer")].map((each) => each.dataset.face);
  if (faces.length < 2) return;
  const at = faces.indexOf(results.querySelector(".answer.is-chosen")?.dataset.face);
  event.preventDefault();
  pick(faces[(at + by + faces.length) % faces.length]);
}

function changeCollection() {
  if (photo) {
    const option = form.elements.collection.selectedOptions[0];
    form.elements.threshold.placeholder = option.dataset.threshold;
    find(photo);
  } else {
    location.assign(`/?collection=${form.elements.collection.value}`);
  }
}

function showScan(file) {
  const scan = element("div", "scan");
  const frame = scan.appendChild(element("div", "scan-photo"));
  const picture = frame.appendChild(element("img"));
  picture.alt = "Your photo";
  picture.src = URL.createObjectURL(file);
  picture.onload = () => URL.revokeObjectURL(picture.src);
  picture.onerror = () => picture.remove(); // not every browser shows every format
  const ghosts = scan.appendChild(element("div", "ghosts"));
  ghosts.appendChild(element("p")).textContent = "Looking for faces …";
  for (let row = 0; row < 3; row += 1) ghosts.appendChild(element("div", "ghost"));
  results.replaceChildren(scan);
  results.setAttribute("aria-busy", "true");
  search.classList.add("has-results");
  status.textContent = "Looking for faces.";
}

function tell(title, text, again = false) {
  const outcome = element("div", "outcome");
  const alert = outcome.appendChild(element("div", "alert"));
  alert.setAttribute("role", "alert");
  const words = alert.appendChild(element("div"));
  words.appendChild(element("strong")).textContent = title;
  words.appendChild(element("p")).textContent = text;
  if (again) {
    const button = outcome.appendChild(element("button", "button again"));
    button.type = "button";
    button.dataset.again = "";
    button.textContent = "Try again";
  }
  results.replaceChildren(outcome);
  search.classList.add("has-results");
}

function element(name, className = "") {
  const made = document.createElement(name);
  made.className = className;
  return made;
}
