export interface ByteRange {
  /** Both inclusive. */
  start: number;
  end: number;
}

/**
 * Reads a Range header for a body of `bytes` bytes. Null means the whole body: no header, several ranges, or text
 * that is no range, all of which RFC 9110 lets a server answer with 200. "unsatisfiable" is a range beyond the end.
 */
export function parseRange(header: string | undefined, bytes: number): ByteRange | "unsatisfiable" | null {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? "");
  if (match === null) return null;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return null;
  if (first === "") {
    const count = Math.min(Number(last), bytes);
    return count === 0 ? "unsatisfiable" : { start: bytes - count, end: bytes - 1 };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= bytes) return "unsatisfiable";
  return { start, end: last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

/** Whether an If-None-Match header names the entity tag. */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === tag);
}
