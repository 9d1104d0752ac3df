// What every page does: more rows in place, notes that come once, no traces after logging out.

import { forgetResult } from "./memory.js";

const address = new URL(location.href);
if (address.searchParams.has("note")) {
  address.searchParams.delete("note");
  history.replaceState(history.state, "", address);
}

document.querySelector(".logout")?.addEventListener("submit", forgetResult);

// Who fills in a number means the choice that it stands in.
document.querySelectorAll(".pack .field input").forEach((input) => {
  const choice = input.closest(".pack").querySelector("input[type=radio]");
  input.addEventListener("input", () => { choice.checked = true; });
});

// "Show more" adds what it leads to below what is there. Without a script it is a plain link.
document.querySelectorAll("[data-more]").forEach((link) => {
  if (document.querySelector("[data-grid]")) link.addEventListener("click", more);
});

async function more(event) {
  const link = event.currentTarget;
  event.preventDefault();
  const response = await fetch(link.href).catch(() => null);
  if (!response?.ok || response.redirected) {
    location.assign(link.href);
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const rows = [...(page.querySelector("[data-grid]")?.children ?? [])];
  document.querySelector("[data-grid]").append(...rows);
  rows[0]?.querySelector("a")?.focus({ preventScroll: true });
  rows[0]?.focus({ preventScroll: true });
  const next = page.querySelector("[data-more]");
  if (next) link.href = next.href;
  else link.parentElement.remove();
}
