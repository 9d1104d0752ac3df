// Files that somebody chooses in a field or drops on a page: { file, key }, where the key is its path
// below what was chosen.

export function chosenIn(input) {
  const files = [...input.files].map((file) => ({ file, key: file.webkitRelativePath || file.name }));
  input.value = ""; // the same ones may be chosen again
  return files;
}

// Calls take(event.dataTransfer) when files are dropped anywhere; meanwhile the area shows that they may be.
export function listenForDrops(area, take) {
  let depth = 0; // enter and leave come for every element under the pointer
  const over = (by) => {
    depth = Math.max(0, by ? depth + by : 0);
    area.classList.toggle("is-over", depth > 0);
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(0);
    take(event.dataTransfer);
  });
}

// Returns what was dropped, with what is in dropped folders.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const plain = [...transfer.files].map((file) => ({ file, key: file.name }));
  if (!entries.every(Boolean)) return { files: plain, isFolder: false }; // not all are on a disk
  const found = await Promise.all(entries.map((entry) => walk(entry, "")));
  return { files: found.flat(), isFolder: entries.some((entry) => entry.isDirectory) };
}

// The files of a dropped file or folder, with their paths.
async function walk(entry, folder) {
  const path = folder + entry.name;
  if (entry.isFile) return [{ file: await new Promise((done, fail) => entry.file(done, fail)), key: path }];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await walk(child, `${path}/`)));
  }
}
