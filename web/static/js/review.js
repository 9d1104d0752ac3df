// The inbox: an answer brings the next question in place, and every button has a key.

const desk = document.getElementById("desk");
const said = document.getElementById("said");
const keys = document.getElementById("keys");
const SILENT = "The server did not answer. Load the page again to see what was decided.";

// Show what an address answers; false: it answered something that is no part of this page.
async function bring(address, options = {}) {
  if (desk.ariaBusy === "true") return true; // a second press must not answer the next question
  desk.ariaBusy = "true";
  const response = await fetch(address, { ...options, headers: { "X-Fragment": "1" } }).catch(() => null);
  const text = await response?.text().catch(() => null);
  desk.ariaBusy = "false";
  if (text == null || !response.headers.has("X-Fragment")) return false;
  desk.innerHTML = text;
  if (response.redirected || !options.method) remember(response.url);
  tell([...desk.querySelectorAll("[data-said]")].map((part) => part.innerText).join(" "));
  desk.querySelector("[data-focus], .several input")?.focus({ preventScroll: true });
  desk.scrollIntoView({ block: "nearest" });
  return true;
}

// The address stays that of the question; a note comes once.
function remember(shown) {
  const address = new URL(shown);
  address.searchParams.delete("note");
  history.replaceState(null, "", address);
}

function tell(text) {
  said.textContent = text;
}

desk.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const body = new FormData(form, event.submitter);
  if (form.matches(".several") && !body.has("item")) {
    tell("Choose at least one question first.");
    form.querySelector("input[name=item]").focus();
    return;
  }
  const sent = new URLSearchParams(body);
  if (!(await bring(form.action, { method: "POST", body: sent }))) {
    said.classList.remove("hidden");
    said.classList.add("note", "is-bad");
    tell(SILENT);
  }
});

desk.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-step]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  if (!(await bring(link.href))) location.assign(link.href);
});

desk.addEventListener("change", (event) => {
  if (!event.target.matches("[data-all]")) return;
  desk.querySelectorAll("input[name=item]").forEach((box) => { box.checked = event.target.checked; });
});

document.querySelector("[data-show-keys]").addEventListener("click", () => keys.showModal());

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || keys.open) return;
  if (event.key === "?") {
    keys.showModal();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const wanted = desk.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!wanted) return;
  event.preventDefault();
  wanted.click();
});
