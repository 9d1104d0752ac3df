// What every page does: more rows while scrolling, notes that come once, leaving no traces.

import { forgetResult } from "./memory.js";

const address = new URL(location.href);
if (address.searchParams.has("note")) {
  address.searchParams.delete("note");
  history.replaceState(history.state, "", address);
}

document.querySelector(".logout")?.addEventListener("submit", forgetResult);

// The link "Show more" is pressed by scrolling to it; what it leads to is added to the grid.
const watcher = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => more(entry.target)),
  { rootMargin: "600px" },
);
document.querySelectorAll("[data-more]").forEach((link) => {
  if (document.querySelector("[data-grid]")) watcher.observe(link);
});

async function more(link) {
  watcher.unobserve(link);
  const response = await fetch(link.href).catch(() => null);
  if (!response?.ok || response.redirected) return; // it stays a link
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const rows = page.querySelector("[data-grid]");
  document.querySelector("[data-grid]").append(...(rows?.children ?? []));
  const next = page.querySelector("[data-more]");
  if (next) {
    link.href = next.href;
    watcher.observe(link);
  } else {
    link.parentElement.remove();
  }
}
