/** Throws RangeError unless the text is a blob id. Other text must never become a path or a key. */
export function ensureBlobId(id: string): string {
  if (!isBlobId(id)) throw new RangeError("not a blob id");
  return id;
}

export function isBlobId(text: string): boolean {
  return /^[a-z0-9_]{3,64}$/.test(text);
}
