import { ask } from "./api.js";

/** The bytes of a stored file. Requests need the key, so the page cannot just use the file's URL. */
export async function blobOf(fileId) {
  return (await ask("GET", `/v1/files/${encodeURIComponent(fileId)}/content`)).blob();
}

/** Blob URLs of the files shown now, so that an image is fetched only once. */
const shown = new Map();

export async function addressOf(fileId) {
  if (!shown.has(fileId)) {
    const pending = blobOf(fileId).then((blob) => URL.createObjectURL(blob));
    pending.catch(() => shown.delete(fileId));
    shown.set(fileId, pending);
  }
  return shown.get(fileId);
}

/** Frees the blob URLs of an earlier run. */
export function forgetAddresses() {
  for (const pending of shown.values()) pending.then(URL.revokeObjectURL, () => {});
  shown.clear();
}

export async function download(fileId, name) {
  const address = URL.createObjectURL(await blobOf(fileId));
  const link = document.createElement("a");
  link.href = address;
  link.download = name.split("/").pop();
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
