import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { conflictingNames, conflictRule } from "../../domain/request.ts";
import type { SessionFile } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { ask } from "../core/unavailable.ts";
import { VERSION } from "../core/version.ts";
import type { SessionQueues } from "./jobs.ts";
import type { SessionLookup } from "./lookup.ts";
import { decodeIndex, encodeIndex, type IndexEntry } from "./record.ts";
import { sessionFilesScript } from "./scripts.ts";

/** What sessions need to know of stored files; a file of another organization is one that is not there. */
export interface StoredFiles {
  getMany(organization: string, ids: readonly string[]): Promise<Array<{ id: string; name: string; bytes: number } | null>>;
  /** Deletes what belongs to a session: what its cells wrote and what was uploaded into it; all, or one of it. */
  deleteOwnedBy(organization: string, sessionId: string, fileId?: string): Promise<void>;
  /** A session that is restored takes the files over, so that the old one can be deleted. */
  handOver(organization: string, fromSessionId: string, toSessionId: string): Promise<void>;
}

export interface SessionFilesDeps {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  queues: SessionQueues;
  files: StoredFiles;
  lookup: SessionLookup;
}

const MIB = 1024 * 1024;

/** The files of sessions by their index: what the working folder held after the last cell, and what is on its way there. */
export class SessionFiles {
  readonly #deps: SessionFilesDeps;

  constructor(deps: SessionFilesDeps) {
    this.#deps = deps;
  }

  /** Files by age, of any session that has a record; those that have expired are not among them. Rejects with `container_not_found`. */
  async list(organization: string, id: string): Promise<SessionFile[]> {
    if ((await this.#deps.lookup.record(organization, id)) === null) throw new ServiceError("container_not_found");
    const entries = [...(await this.#index(organization, id))];
    const records = await this.#deps.files.getMany(
      organization,
      entries.map(([, entry]) => entry.id),
    );
    const files: SessionFile[] = [];
    for (const [at, [name, entry]] of entries.entries()) {
      const bytes = records[at]?.bytes;
      if (bytes !== undefined) files.push({ id: entry.id, sessionId: id, name, bytes, source: entry.source, createdAt: entry.at });
    }
    return files.sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
  }

  /**
   * Puts a stored file into the working folder before the next cell, over one of that name; under its own name by
   * default. Rejects with `container_not_found`, `container_expired`, `container_lost`, and `invalid_field`.
   */
  async add(organization: string, id: string, file: { fileId: string; name?: string }): Promise<SessionFile> {
    const { files, limits, lookup, queues } = this.#deps;
    const [record] = await files.getMany(organization, [file.fileId]);
    if (record === undefined || record === null) throw invalid("file_id", "there is no such file");
    const name = file.name ?? record.name;
    const workerId = await lookup.owner(organization, id);
    const present = await this.list(organization, id);
    // One that takes another's place needs room beside it for a while.
    this.#ensureFits("file", [...present, record]);
    ensureNoConflict("file", [...present.map((each) => each.name), name]);
    const entry: IndexEntry = { id: file.fileId, source: "user", at: Date.now() };
    const refused = await this.#changeIndex(organization, id, [], [[name, entry]]);
    if (refused) throw invalid("file", `the container has ${limits.sessionFilesCountMax} files, which is the most`);
    await ask(() => queues.add(workerId, { v: VERSION, op: "put", organization, session: id, name, fileId: file.fileId }));
    return { id: file.fileId, sessionId: id, name, bytes: record.bytes, source: "user", createdAt: entry.at };
  }

  /** Removes a file from the working folder before the next cell; false when the session has no such file. */
  async remove(organization: string, id: string, fileId: string): Promise<boolean> {
    const { files, lookup, queues } = this.#deps;
    const workerId = await lookup.owner(organization, id);
    const name = [...(await this.#index(organization, id))].find(([, entry]) => entry.id === fileId)?.[0];
    if (name === undefined) return false;
    await this.#changeIndex(organization, id, [name], []);
    await ask(() => queues.add(workerId, { v: VERSION, op: "remove", organization, session: id, name }));
    await files.deleteOwnedBy(organization, id, fileId);
    return true;
  }

  /** What a session begins with, as its index has it: the files of the one it is restored from, then those that were named. */
  async first(organization: string, restored: readonly SessionFile[], ids: readonly string[]): Promise<Map<string, IndexEntry>> {
    const { files, limits } = this.#deps;
    const first = new Map<string, IndexEntry>(
      restored.map((file) => [file.name, { id: file.id, source: file.source, at: file.createdAt }]),
    );
    const named: Array<{ bytes: number }> = [];
    for (const [index, record] of (await files.getMany(organization, ids)).entries()) {
      if (record === null) throw invalid(`file_ids.${index}`, "there is no such file");
      named.push(record);
      first.set(record.name, { id: record.id, source: "user", at: Date.now() });
    }
    const { filesInBytesMax, sessionFilesCountMax } = limits;
    if (bytesOf(named) > filesInBytesMax) throw invalid("file_ids", `must have at most ${filesInBytesMax} bytes together`);
    if (first.size > sessionFilesCountMax) throw invalid("file_ids", `must name at most ${sessionFilesCountMax} files`);
    this.#ensureFits("file_ids", [...restored, ...named]);
    ensureNoConflict("file_ids", [...first.keys()]);
    return first;
  }

  /** What does not fit could not be placed later, when nobody waits for the answer. */
  #ensureFits(param: string, files: ReadonlyArray<{ bytes: number }>): void {
    const bytesMax = this.#deps.limits.workingFolderMbMax * MIB;
    const bytes = bytesOf(files);
    if (bytes <= bytesMax) return;
    throw invalid(param, `with the files that the container has it would be ${bytes} bytes; its working folder holds ${bytesMax}`);
  }

  async #index(organization: string, id: string): Promise<Map<string, IndexEntry>> {
    const { redis, keys } = this.#deps;
    return decodeIndex(await ask(() => redis.hgetall(keys.sessionFiles(organization, id))));
  }

  /** Returns whether an entry found no room. */
  async #changeIndex(
    organization: string,
    id: string,
    removed: readonly string[],
    added: Array<readonly [string, IndexEntry]>,
  ): Promise<boolean> {
    const { redis, keys, limits } = this.#deps;
    const args = [organization, id, limits.sessionFilesCountMax, removed.length, ...removed, ...encodeIndex(added)];
    const refused = (await ask(() => sessionFilesScript.run(redis, keys.base, args))) as unknown[];
    return refused.length > 0;
  }
}

function ensureNoConflict(param: string, names: readonly string[]): void {
  const conflict = conflictingNames(names);
  if (conflict !== null) throw invalid(param, conflictRule(conflict));
}

function bytesOf(files: ReadonlyArray<{ bytes: number }>): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}
