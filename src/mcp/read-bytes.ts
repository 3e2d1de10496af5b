import type { Interpreter, StoredFile } from "./interpreter.ts";

/** Types that MCP clients show as an image. */
export const imageTypes: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** Reads part of a file into memory; the caller bounds the range. Null when the bytes are gone. */
export async function bytesOf(file: StoredFile, range: { start: number; end: number }, interpreter: Interpreter): Promise<Buffer | null> {
  if (range.end < range.start) return Buffer.alloc(0);
  const content = await interpreter.readFile(file, range);
  if (content === null) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
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
  /** Range of the decoded bytes: `start` inclusive, `end` exclusive. */
  start: number;
  end: number;
}

/** Decodes UTF-8, ignoring a partial character at the ends that `cut` names; null when the bytes are not UTF-8 text. */
export function textOf(bytes: Uint8Array, cut: { start: boolean; end: boolean }): DecodedText | null {
  if (bytes.includes(0)) return null;
  let start = 0;
  while (cut.start && start < CONTINUATION_BYTES_MAX && isContinuation(bytes[start])) start += 1;
  for (let left = 0; left <= (cut.end ? CONTINUATION_BYTES_MAX : 0); left += 1) {
    const end = Math.max(start, bytes.length - left);
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, end)), start, end };
    } catch {
      // Perhaps the last character is incomplete: try with one byte less.
    }
  }
  return null;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
