import type { Interpreter, StoredFile } from "./interpreter.ts";

/** What MCP clients show as an image. */
export const imageTypes: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** Part of a file in memory; the caller bounds it. Null when the bytes are gone. */
export async function bytesOf(file: StoredFile, range: { start: number; end: number }, interpreter: Interpreter): Promise<Buffer | null> {
  if (range.end < range.start) return Buffer.alloc(0);
  const lent = await interpreter.readFile(file, range);
  if (lent === null) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of lent) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function base64Of(file: StoredFile, interpreter: Interpreter): Promise<string | null> {
  const bytes = await bytesOf(file, { start: 0, end: file.bytes - 1 }, interpreter);
  return bytes === null ? null : bytes.toString("base64");
}

/** UTF-8 characters have at most this many bytes after their first. */
const CONTINUATION_BYTES_MAX = 3;

export interface DecodedText {
  text: string;
  /** Bytes it was made of: `start` inclusive, `end` exclusive. */
  start: number;
  end: number;
}

/** The text of bytes that are UTF-8 but for a character cut off where `cut` says so; null when they are something else. */
export function textOf(bytes: Uint8Array, cut: { start: boolean; end: boolean }): DecodedText | null {
  if (bytes.includes(0)) return null;
  let start = 0;
  while (cut.start && start < CONTINUATION_BYTES_MAX && isContinuation(bytes[start])) start += 1;
  for (let left = 0; left <= (cut.end ? CONTINUATION_BYTES_MAX : 0); left += 1) {
    const end = Math.max(start, bytes.length - left);
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, end)), start, end };
    } catch {
      // Not UTF-8 up to here: perhaps the last character is cut off.
    }
  }
  return null;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
