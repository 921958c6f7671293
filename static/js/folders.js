// Files that were dropped, those in folders too, each with its path from the dropped folder on.

export async function droppedFiles(transfer) {
  // Entries are gone after this event: they are all taken before the first is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = await Promise.all(entries.map(filesIn));
  return found.flat();
}

export function chosenFiles(input) {
  return [...input.files].filter((file) => !isHidden(file.name)).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

async function filesIn(entry) {
  if (isHidden(entry.name)) return [];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); }); // 100 at a time
    if (!some.length) return found;
    for (const child of some) found.push(...await filesIn(child));
  }
}

// What systems leave in folders: .DS_Store, Thumbs.db.
function isHidden(name) {
  return name.startsWith(".") || name === "Thumbs.db" || name === "__MACOSX";
}
