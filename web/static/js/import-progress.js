// How far an import is: hearing of it, and drawing it wherever it is shown.

const PARTS = ["indexed", "skipped", "rejected", "failed", "dead", "running", "waiting"];
const OVER = new Set(["done", "cancelled", "failed"]);
const POLL_MS = 2000;
const POLLS = 15; // before events are tried again
const MIB = 2 ** 20;

const number = new Intl.NumberFormat("en");

// Calls onProgress with the import, now and whenever it changed, until it is over. Returns a function
// that ends this earlier. By events; where the server has no place left for them, by asking.
export function follow(id, onProgress) {
  let events = null;
  let timer = 0;
  let over = false;

  const end = () => {
    over = true;
    rest();
    document.removeEventListener("visibilitychange", wake);
  };
  const rest = () => {
    events?.close();
    events = null;
    clearTimeout(timer);
  };
  const heard = (shown) => {
    if (over) return;
    if (OVER.has(shown.state)) end();
    onProgress(shown);
  };
  const listen = () => {
    if (over) return;
    let breaks = 0;
    events = new EventSource(`/v1/imports/${id}/events`);
    events.addEventListener("progress", (event) => {
      breaks = 0;
      heard(JSON.parse(event.data));
    });
    events.addEventListener("closed", (event) => {
      const shown = JSON.parse(event.data);
      if (shown) heard(shown);
      else location.reload(); // it was deleted, and the page says so
    });
    events.addEventListener("error", () => {
      breaks += 1;
      if (events?.readyState === EventSource.CLOSED || breaks > 1) ask(POLLS);
    });
  };
  const ask = async (left) => {
    rest();
    const shown = await look(id);
    if (shown) heard(shown);
    if (over || document.hidden) return;
    timer = setTimeout(() => (left > 0 ? ask(left - 1) : listen()), POLL_MS);
  };
  // A page that nobody sees keeps no place from others.
  const wake = () => {
    if (document.hidden) rest();
    else if (!events) listen();
  };

  document.addEventListener("visibilitychange", wake);
  if (!document.hidden) listen();
  return end;
}

// The import as it is now; null when it cannot be had. Of one that is gone the page says so.
export async function look(id) {
  return answered(`/v1/imports/${id}`, "json", { gone: () => location.reload() });
}

// The body of an answer, as "json" or "text"; null when there is none, or not all of it.
export async function answered(url, as, { gone = () => {} } = {}) {
  try {
    const response = await fetch(url);
    if (response.status === 401) location.assign("/login");
    if (response.status === 404) gone();
    return response.ok ? await response[as]() : null;
  } catch {
    return null; // the connection broke, perhaps within the body
  }
}

export function isOver(shown) {
  return OVER.has(shown.state);
}

export function draw(root, shown) {
  root.dataset.state = shown.state;
  for (const stack of root.querySelectorAll("[data-stack]")) drawStack(stack, shown);
  for (const element of root.querySelectorAll("[data-count]")) {
    const count = shown.counts[element.dataset.count];
    element.querySelector("b").textContent = number.format(count);
    element.hidden = count === 0;
  }
  for (const element of root.querySelectorAll("[data-fact]")) {
    const words = FACTS[element.dataset.fact](shown);
    (element.querySelector("dd") ?? element).textContent = words;
    element.hidden = words === "";
  }
  for (const element of root.querySelectorAll("[data-in]")) {
    const { in: states, needs, limit } = element.dataset;
    element.hidden = !states.split(" ").includes(shown.state)
      || Boolean(needs && !shown.counts[needs]) || Boolean(limit && shown.limit !== limit);
  }
  for (const element of root.querySelectorAll("[data-of-state]")) {
    element.hidden = element.dataset.ofState !== shown.state;
  }
}

function drawStack(stack, shown) {
  const known = PARTS.reduce((sum, part) => sum + shown.counts[part], 0);
  const total = Math.max(1, shown.total ?? 0, known);
  let at = 0;
  for (const part of PARTS) {
    const width = (100 * shown.counts[part]) / total;
    const drawn = stack.querySelector(`[data-part=${part}]`);
    drawn.setAttribute("x", at.toFixed(3));
    drawn.setAttribute("width", width.toFixed(3));
    at += width;
  }
  stack.setAttribute("aria-label", FACTS.done(shown));
}

const FACTS = {
  done: ({ done, total }) => (total === null ? `${number.format(done)} so far` : `${number.format(done)} of ${number.format(total)}`),
  rate: ({ rate }) => (rate === null ? "" : `${rate.toFixed(1)} a second`),
  eta: ({ eta_s: seconds }) => (seconds === null ? "" : duration(seconds)),
  received: ({ bytes_received: bytes, bytes_expected: all }) => share(bytes, all),
  read: (shown) => (isOver(shown) ? "" : share(shown.bytes_read, shown.bytes_expected)),
  passed_over: ({ passed_over: count }) => (count ? `${number.format(count)} system ${count === 1 ? "file" : "files"}` : ""),
  advice: ({ advice }) => advice ?? "",
};

function share(bytes, all) {
  if (!bytes) return "";
  return all && all !== bytes ? `${size(bytes)} of ${size(all)}` : size(bytes);
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < MIB) return `${(bytes / 1024).toFixed(0)} KiB`;
  if (bytes < 1024 * MIB) return `${(bytes / MIB).toFixed(1)} MiB`;
  return `${(bytes / MIB / 1024).toFixed(1)} GiB`;
}

// As core.estimates.duration.
export function duration(seconds) {
  if (seconds < 120) return `about ${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 7200) return `about ${(seconds / 60).toFixed(0)} minutes`;
  return `about ${(seconds / 3600).toFixed(1)} hours`;
}
