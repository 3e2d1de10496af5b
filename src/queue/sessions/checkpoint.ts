import type { Limits } from "../../domain/limits.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { RunInput } from "../../domain/run.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { encodeIndex, type IndexEntry } from "./record.ts";
import { sessionFilesScript } from "./scripts.ts";

/**
 * Updates a session's file index to match its working folder after a cell. The bytes are already in the file store.
 * Files that exceed the limit of the index are added to the skipped files of the end.
 */
export async function keepCheckpoint(
  context: { redis: RedisClient; keys: Keys; limits: Limits },
  { organization, id }: { organization: string; id: string },
  cell: { input: RunInput; end: ExecutionEnd; removedFiles: readonly string[] },
): Promise<void> {
  const { input, end, removedFiles } = cell;
  const at = Date.now();
  const entries = new Map<string, IndexEntry>();
  for (const file of input.files) entries.set(file.name, { id: file.file_id, source: "user", at });
  for (const output of end.outputs) if (output.type === "file") entries.set(output.name, { id: output.file_id, source: "assistant", at });
  const args = { organization, id, filesMax: context.limits.sessionFilesCountMax, removedCount: removedFiles.length };
  const refused = await sessionFilesScript.run(context.redis, context.keys.base, args, [...removedFiles, ...encodeIndex(entries)]);
  if (refused.length === 0) return;
  end.truncated.files = true;
  const reason = `the container already has ${context.limits.sessionFilesCountMax} files`;
  end.skipped_files.push(...refused.map((name) => ({ name, reason })));
}
