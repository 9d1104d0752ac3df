// Outlines on a photo: labels of one size on the screen, one face chosen at a time.

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) measure(target);
});

// Give the labels of a picture the size of text, however far it is scaled down.
export function dress(svg) {
  if (!svg) return;
  sizes.observe(svg);
  measure(svg);
}

function measure(svg) {
  const scale = svg.getScreenCTM()?.a;
  if (!scale) return;
  svg.style.setProperty("--unit", 1 / scale);
  svg.classList.add("has-unit");
}

// Mark everything that belongs to one face, and nothing else.
export function choose(root, face) {
  for (const part of root.querySelectorAll("[data-face]")) {
    const chosen = part.dataset.face === face;
    part.classList.toggle("is-chosen", chosen);
    if (part.matches("a")) part.setAttribute("aria-current", chosen);
  }
}
