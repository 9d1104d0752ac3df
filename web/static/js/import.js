// The page of one import: its numbers move, its buttons work without leaving it.

import { draw, follow, isOver, look } from "./import-progress.js";

const DETAILS_MS = 3000; // between two looks at the tables below the bar
const panel = document.getElementById("import");
const details = document.getElementById("details");
const said = panel.querySelector("[data-said]");
const id = panel.dataset.import;
const url = `/v1/imports/${id}`;

let following = null; // what ends it
let last = null;
let told = 0; // tenths that were said
let stale = false;
let refreshing = false;

function show(shown) {
  const before = last?.state ?? panel.dataset.state;
  const moved = JSON.stringify(shown) !== JSON.stringify(last);
  last = shown;
  draw(panel, shown);
  if (isOver(shown)) following = null;
  say(shown, before);
  if (moved) refresh(shown.state !== before);
}

// A screen reader hears of another state and of each tenth, not of each photo.
function say(shown, before) {
  const tenth = shown.total ? Math.floor((10 * shown.done) / shown.total) : 0;
  if (shown.state !== before) said.textContent = panel.querySelector(".badge:not([hidden])").textContent;
  else if (tenth > told && !isOver(shown)) said.textContent = `${10 * tenth} %`;
  told = tenth;
}

async function refresh(now = false) {
  stale = true;
  if (refreshing) return;
  refreshing = true;
  if (!now) await new Promise((done) => setTimeout(done, DETAILS_MS));
  while (stale) {
    stale = false;
    await replaceDetails();
    if (stale) await new Promise((done) => setTimeout(done, DETAILS_MS));
  }
  refreshing = false;
}

async function replaceDetails() {
  const response = await fetch(location.href, { headers: { "X-Fragment": "1" } }).catch(() => null);
  if (!response?.ok || !response.headers.has("X-Fragment")) return;
  const html = await response.text().catch(() => null); // the connection may break within it
  if (html === null) return;
  const focus = details.contains(document.activeElement) ? document.activeElement : null;
  const place = focus?.closest("[data-place]")?.dataset.place;
  const open = new Set([...details.querySelectorAll("details[open]")].map((each) => each.dataset.place));
  details.innerHTML = html;
  for (const each of details.querySelectorAll("details")) each.open = each.open || open.has(each.dataset.place);
  if (place) details.querySelector(`[data-place="${place}"] :is(a, summary, button), :is(a, button)[data-place="${place}"]`)?.focus({ preventScroll: true });
}

// What a button did is in the answer of the API; without a script the same form leads back here.
async function act(event) {
  const form = event.target.closest("form[data-act]");
  if (!form) return;
  event.preventDefault();
  const { act: verb } = form.dataset;
  const button = form.querySelector("button");
  button.disabled = true;
  const response = await fetch(verb === "delete" ? url : `${url}/${verb}`, {
    method: verb === "delete" ? "DELETE" : "POST",
    ...(verb === "retry" && asJson({ dead: form.elements.dead?.value === "yes" })),
  }).catch(() => null);
  button.disabled = false;
  if (response?.status === 401) location.assign("/login");
  complain(response?.ok ? null : await reason(response));
  if (response?.ok && verb === "delete") location.assign(`${panel.dataset.home}?note=import_deleted`);
  else await catchUp(form);
}

function asJson(body) {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function reason(response) {
  const problem = await response?.json().catch(() => null);
  return problem?.detail ?? "The server cannot be reached. Try again.";
}

function complain(words) {
  const alert = panel.querySelector("[data-trouble]");
  alert.hidden = words === null;
  alert.querySelector("p").textContent = words ?? "";
}

async function catchUp(form) {
  form.closest("details")?.removeAttribute("open");
  const shown = await look(id);
  if (!shown) return;
  show(shown);
  // The button that was pressed may be gone; whoever uses the keyboard goes on at its neighbour.
  if (document.activeElement === document.body || form.closest("[hidden]")) {
    panel.querySelector("[data-acts] > :is(form, details):not([hidden]) :is(button, summary)")?.focus();
  }
  begin();
}

function begin() {
  if (isOver(panel.dataset)) {
    following?.();
    following = null;
  } else {
    following ??= follow(id, show);
  }
}

panel.addEventListener("submit", act);
begin();
