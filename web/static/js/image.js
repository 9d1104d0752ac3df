// One photo: an outline leads to its row and a row lights up its outline.

import { choose, dress } from "./picture.js";

const picture = document.querySelector("[data-picture]");
const page = document.querySelector(".photo-page");

dress(picture);

picture?.addEventListener("click", (event) => {
  const outline = event.target.closest("a[data-face]");
  if (!outline) return;
  event.preventDefault();
  choose(page, outline.dataset.face);
  history.replaceState(history.state, "", `#face-${outline.dataset.face}`);
  const row = document.getElementById(`face-${outline.dataset.face}`);
  row.scrollIntoView({ block: "center" });
  (row.querySelector("input") ?? row).focus({ preventScroll: true });
});

page?.querySelectorAll(".face-row").forEach((row) => {
  row.addEventListener("focusin", () => choose(page, row.dataset.face));
});

const wanted = location.hash.replace("#face-", "");
if (wanted) choose(page, wanted);
