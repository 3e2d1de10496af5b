import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { conflictingNames, conflictRule } from "../../domain/request.ts";
import type { SessionFile } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { callRedis } from "../core/unavailable.ts";
import { VERSION } from "../core/version.ts";
import type { SessionQueues } from "./jobs.ts";
import type { SessionLookup } from "./lookup.ts";
import { decodeIndex, encodeIndex, type IndexEntry } from "./record.ts";
import { sessionFilesScript } from "./scripts.ts";

/** What sessions need from the file store. A file of another organization does not exist. */
export interface StoredFiles {
  getMany(organization: string, ids: readonly string[]): Promise<Array<{ id: string; name: string; bytes: number } | null>>;
  /**
   * Deletes files that a session owns: those its cells wrote and those uploaded into it. With `fileId`, only that file.
   */
  deleteOwnedBy(organization: string, sessionId: string, fileId?: string): Promise<void>;
  /** Makes a restored session the owner of the files, so that the old session can be deleted. */
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

/** The file index of sessions: the working folder after the last cell, with the changes that are still queued. */
export class SessionFiles {
  readonly #deps: SessionFilesDeps;

  constructor(deps: SessionFilesDeps) {
    this.#deps = deps;
  }

  /** Files that have not expired, oldest first, of any session with a record. Rejects with `container_not_found`. */
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
   * Puts a stored file into the working folder before the next cell and replaces a file of that name. The default name
   * is the file's own. Rejects with `container_not_found`, `container_expired`, `container_lost` and `invalid_field`.
   */
  async add(organization: string, id: string, file: { fileId: string; name?: string }): Promise<SessionFile> {
    const { files, limits, lookup, queues } = this.#deps;
    const [record] = await files.getMany(organization, [file.fileId]);
    if (record === undefined || record === null) throw invalid("file_id", "there is no such file");
    const name = file.name ?? record.name;
    const workerId = await lookup.owner(organization, id);
    const present = await this.list(organization, id);
    // A replaced file counts too: for a moment, both are in the working folder.
    this.#ensureFits("file", [...present, record]);
    ensureNoConflict("file", [...present.map((each) => each.name), name]);
    const entry: IndexEntry = { id: file.fileId, source: "user", at: Date.now() };
    const refused = await this.#changeIndex(organization, id, [], [[name, entry]]);
    if (refused) throw invalid("file", `the container already has the maximum of ${limits.sessionFilesCountMax} files`);
    await callRedis(() => queues.add(workerId, { v: VERSION, op: "put", organization, session: id, name, fileId: file.fileId }));
    return { id: file.fileId, sessionId: id, name, bytes: record.bytes, source: "user", createdAt: entry.at };
  }

  /** Removes a file from the working folder before the next cell. False when the session has no such file. */
  async remove(organization: string, id: string, fileId: string): Promise<boolean> {
    const { files, lookup, queues } = this.#deps;
    const workerId = await lookup.owner(organization, id);
    const name = [...(await this.#index(organization, id))].find(([, entry]) => entry.id === fileId)?.[0];
    if (name === undefined) return false;
    await this.#changeIndex(organization, id, [name], []);
    await callRedis(() => queues.add(workerId, { v: VERSION, op: "remove", organization, session: id, name }));
    await files.deleteOwnedBy(organization, id, fileId);
    return true;
  }

  /** The index of a new session: the files of the session that it restores, then the named files. */
  async initialIndex(organization: string, restored: readonly SessionFile[], ids: readonly string[]): Promise<Map<string, IndexEntry>> {
    const { files, limits } = this.#deps;
    const index = new Map<string, IndexEntry>(
      restored.map((file) => [file.name, { id: file.id, source: file.source, at: file.createdAt }]),
    );
    const named: Array<{ bytes: number }> = [];
    for (const [at, record] of (await files.getMany(organization, ids)).entries()) {
      if (record === null) throw invalid(`file_ids.${at}`, "there is no such file");
      named.push(record);
      index.set(record.name, { id: record.id, source: "user", at: Date.now() });
    }
    const { filesInBytesMax, sessionFilesCountMax } = limits;
    if (bytesOf(named) > filesInBytesMax) throw invalid("file_ids", `must have at most ${filesInBytesMax} bytes in total`);
    if (index.size > sessionFilesCountMax) throw invalid("file_ids", `must name at most ${sessionFilesCountMax} files`);
    this.#ensureFits("file_ids", [...restored, ...named]);
    ensureNoConflict("file_ids", [...index.keys()]);
    return index;
  }

  /** Checked on the request: when the file is placed later, no caller waits for the error. */
  #ensureFits(param: string, files: ReadonlyArray<{ bytes: number }>): void {
    const bytesMax = this.#deps.limits.workingFolderMbMax * MIB;
    const bytes = bytesOf(files);
    if (bytes <= bytesMax) return;
    throw invalid(param, `the container's files would take ${bytes} bytes; its working folder holds ${bytesMax}`);
  }

  async #index(organization: string, id: string): Promise<Map<string, IndexEntry>> {
    const { redis, keys } = this.#deps;
    return decodeIndex(await callRedis(() => redis.hgetall(keys.sessionFiles(organization, id))));
  }

  /** Returns true when an entry exceeded the limit of the index. */
  async #changeIndex(
    organization: string,
    id: string,
    removed: readonly string[],
    added: Array<readonly [string, IndexEntry]>,
  ): Promise<boolean> {
    const { redis, keys, limits } = this.#deps;
    const args = { organization, id, filesMax: limits.sessionFilesCountMax, removedCount: removed.length };
    const changes = [...removed, ...encodeIndex(added)];
    const refused = await callRedis(() => sessionFilesScript.run(redis, keys.base, args, changes));
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
