import type { ContentBlock } from "@modelcontextprotocol/server";
import type { Limits } from "../domain/limits.ts";
import type { Execution } from "../domain/result.ts";
import { cutText } from "./cut-text.ts";
import { fileUri } from "./file-resource.ts";
import type { Interpreter } from "./interpreter.ts";
import { base64Of, imageTypes } from "./read-bytes.ts";
import { type Piece, piecesOf } from "./render.ts";

/**
 * An execution as MCP content: texts with one shared bound, a bounded number of images, files as links. A result after
 * notifications is an event of a stream, which clients bound (`isEvent`).
 */
export async function contentOf(
  execution: Execution,
  interpreter: Interpreter,
  { limits, isEvent }: { limits: Limits; isEvent: boolean },
): Promise<ContentBlock[]> {
  const pieces = shareText(piecesOf(execution, limits), limits.toolTextCharsMax);
  const blocks: ContentBlock[] = [];
  let images = 0;
  let room = isEvent ? limits.mcpEventImagesBytesMax : limits.toolImagesMax * limits.toolImageBytesMax;
  for (const piece of pieces) {
    if (piece.kind === "text") addText(blocks, piece.text);
    else if (piece.kind === "file") blocks.push(linkOf(piece.file.file_id, piece.file.name, piece.file.mime_type, piece.file.bytes));
    else {
      const fits = images < limits.toolImagesMax && piece.image.bytes <= Math.min(room, limits.toolImageBytesMax);
      const data = fits ? await imageData(piece.image, interpreter) : null;
      if (data === null) {
        const name = `image.${piece.image.mime_type === "image/svg+xml" ? "svg" : piece.image.mime_type.split("/")[1]}`;
        blocks.push(linkOf(piece.image.file_id, name, piece.image.mime_type, piece.image.bytes));
        continue;
      }
      images += 1;
      room -= piece.image.bytes;
      blocks.push({ type: "image", data, mimeType: piece.image.mime_type });
    }
  }
  return blocks;
}

export function linkOf(id: string, name: string, mimeType: string, bytes: number): ContentBlock {
  return { type: "resource_link", uri: fileUri(id), name, mimeType, size: bytes, description: `file_id ${id}` };
}

/** Cuts the texts that are not firm so that all texts together fit. Earlier texts get their space first. */
function shareText(pieces: readonly Piece[], charsMax: number): Piece[] {
  let left = charsMax;
  for (const piece of pieces) if (piece.kind === "text" && piece.firm) left -= piece.text.length;
  const shared: Piece[] = [];
  let dropped = 0;
  for (const piece of pieces) {
    if (piece.kind !== "text" || piece.firm) {
      shared.push(piece);
      continue;
    }
    if (left < SMALLEST_CUT && piece.text.length > left) {
      dropped += piece.text.length;
      continue;
    }
    const text = cutText(piece.text, left);
    left -= text.length;
    shared.push({ ...piece, text });
  }
  if (dropped > 0) shared.push({ kind: "text", text: `[${dropped} more characters of output are left out]`, firm: true });
  return shared;
}

/** A shorter cut text would be little more than the note about the cut. */
const SMALLEST_CUT = 120;

/** Joins adjacent texts. */
function addText(blocks: ContentBlock[], text: string): void {
  const last = blocks.at(-1);
  if (last?.type === "text") last.text += `\n${text}`;
  else blocks.push({ type: "text", text });
}

/** Null when clients cannot show the image, or when it is gone. */
async function imageData(image: { file_id: string; mime_type: string }, interpreter: Interpreter): Promise<string | null> {
  if (!imageTypes.has(image.mime_type)) return null;
  const file = await interpreter.getFile(image.file_id);
  return file === null ? null : base64Of(file, interpreter);
}
