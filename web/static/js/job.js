// How far an upload, or work on an index, is: once a second until it is done.

const progress = document.getElementById("progress");
const SECOND = 1000;

async function look() {
  const response = await fetch(location.href, { headers: { "X-Fragment": "1" } }).catch(() => null);
  if (response?.ok && response.headers.has("X-Fragment")) {
    const open = progress.querySelector("details")?.open;
    progress.innerHTML = await response.text();
    if (open) progress.querySelector("details")?.setAttribute("open", "");
  }
  next();
}

function next() {
  if (!progress.querySelector("[data-done]")) setTimeout(look, SECOND);
}

next();
