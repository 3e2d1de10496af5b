import type { ReadExecution } from "./result.ts";
import { StoredJson } from "./stored-json.ts";

/** JSON text whose large values are still where they are stored. */
export type JsonPieces = ReadonlyArray<string | StoredJson>;

/** An execution as JSON. Stored outputs are its last member. */
export function executionPieces(execution: ReadExecution): JsonPieces {
  const { outputs, ...rest } = execution;
  if (!(outputs instanceof StoredJson)) return [JSON.stringify(execution)];
  return [withMember(rest, "outputs"), outputs, "}"];
}

/** The JSON of an object that is still open: the value of one more member is to follow, then `}`. */
export function withMember(object: object, name: string): string {
  return `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(name)}:`;
}

/** Length in UTF-8. */
export function bytesOf(pieces: JsonPieces): number {
  return pieces.reduce((sum, piece) => sum + (typeof piece === "string" ? Buffer.byteLength(piece) : piece.bytes), 0);
}

export async function* partsOf(pieces: JsonPieces): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (typeof piece === "string") yield Buffer.from(piece, "utf8");
    else yield* piece.parts();
  }
}
