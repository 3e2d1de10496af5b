import type { Limits } from "../../domain/limits.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { RunInput } from "../../domain/run.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { encodeIndex, type IndexEntry } from "./record.ts";
import { sessionFilesScript } from "./scripts.ts";

/**
 * Brings a session's file index to what its working folder is after a cell; the bytes are in the file store already.
 * Files that find no room in the index are added to those that the end says were left out.
 */
export async function keepCheckpoint(
  world: { redis: RedisClient; keys: Keys; limits: Limits },
  { organization, id }: { organization: string; id: string },
  cell: { input: RunInput; end: ExecutionEnd; removedFiles: readonly string[] },
): Promise<void> {
  const { input, end, removedFiles } = cell;
  const at = Date.now();
  const entries = new Map<string, IndexEntry>();
  for (const file of input.files) entries.set(file.name, { id: file.file_id, source: "user", at });
  for (const output of end.outputs) if (output.type === "file") entries.set(output.name, { id: output.file_id, source: "assistant", at });
  const args = [organization, id, world.limits.sessionFilesCountMax, removedFiles.length, ...removedFiles, ...encodeIndex(entries)];
  const refused = (await sessionFilesScript.run(world.redis, world.keys.base, args)) as Buffer[];
  if (refused.length === 0) return;
  end.truncated.files = true;
  const reason = `the container's checkpoint has ${world.limits.sessionFilesCountMax} files already`;
  end.skipped_files.push(...refused.map((name) => ({ name: name.toString("utf8"), reason })));
}
