import { ask } from "./api.js";

/** The bytes of a stored file. They need the key, so an address alone would not show them. */
export async function blobOf(fileId) {
  return (await ask("GET", `/v1/files/${encodeURIComponent(fileId)}/content`)).blob();
}

/** Blob addresses of what is shown now, by file: a picture that is drawn again is not fetched again. */
const shown = new Map();

export async function addressOf(fileId) {
  if (!shown.has(fileId)) {
    const pending = blobOf(fileId).then((blob) => URL.createObjectURL(blob));
    pending.catch(() => shown.delete(fileId));
    shown.set(fileId, pending);
  }
  return shown.get(fileId);
}

/** Frees what an earlier run showed. */
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
