import type { Queue } from "bullmq";
import { type ErrorCode, ServiceError } from "../errors.ts";
import { containerIdPattern, newId } from "../execution/ids.ts";
import type { NewSession, Session, SessionFile } from "../execution/session.ts";
import type { Limits } from "../limits.ts";
import type { RedisClient } from "../redis-address.ts";
import type { Keys } from "./keys.ts";
import { OPEN_JOB, type SessionQueues } from "./session-jobs.ts";
import { decodeIndex, decodeSession, encodeIndex, type IndexEntry } from "./session-record.ts";
import {
  sessionCreateScript,
  sessionDeleteScript,
  sessionEndScript,
  sessionFilesScript,
  sessionLookScript,
  sessionReleaseScript,
  sessionTouchScript,
} from "./session-scripts.ts";
import type { Wakeups } from "./wakeups.ts";

/** What sessions need to know of stored files; a file of another organization is one that is not there. */
export interface StoredFiles {
  getMany(organization: string, ids: readonly string[]): Promise<Array<{ id: string; name: string; bytes: number } | null>>;
  /** Deletes what belongs to a session: what its cells wrote and what was uploaded into it; all, or one of it. */
  deleteOwnedBy(organization: string, sessionId: string, fileId?: string): Promise<void>;
  /** A session that is restored takes the files over, so that the old one can be deleted. */
  handOver(organization: string, fromSessionId: string, toSessionId: string): Promise<void>;
}

export interface SessionsDeps {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  /** The shared queue. */
  queue: Queue;
  queues: SessionQueues;
  wakeups: Wakeups;
  files: StoredFiles;
  /** Turns the queue's refusal, `full` and its numbers, into the error a caller reads. */
  refused(reply: unknown[]): ServiceError;
  /** Turns a failure of Redis into the error a caller reads. */
  unavailable(error: unknown): ServiceError;
}

/** Sessions as the api process sees them: records, file index, and messages to the worker that has the sandbox. */
export class Sessions {
  readonly #deps: SessionsDeps;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves with an active session. Rejects with `organization_containers_full`, what the queue refuses with,
   * `container_unavailable` when no worker had room in time, `container_not_found` for an unknown `restoreFrom`, and
   * `invalid_field` for anything that is out of bounds.
   */
  async create(organization: string, wanted: NewSession = {}): Promise<Session> {
    const { limits } = this.#deps;
    const id = newId("container");
    const memoryMb = bounded(wanted.memoryMb ?? limits.memoryMbMax, "memory_limit", {
      min: limits.memoryMbMin,
      max: limits.sessionMemoryMbMax,
      unit: "MiB",
    });
    const minutes = bounded(wanted.expiresAfterMinutes ?? limits.sessionIdleMinutesDefault, "expires_after.minutes", {
      min: 1,
      max: limits.sessionIdleMinutesMax,
      unit: "minutes",
    });
    const files = await this.#firstFiles(organization, wanted);
    const watch = await this.#ask(() => this.#deps.wakeups.watch(this.#deps.keys.wake(organization, id), "end"));
    try {
      const givesWay = [wanted.givesWay === true ? 1 : 0, limits.sessionGivesWayAfterMs];
      const args = [wanted.name ?? "", memoryMb, minutes, wanted.restoreFrom ?? "", ...givesWay, ...encodeIndex(files)];
      await this.#submit(organization, id, args);
      const until = performance.now() + limits.sessionStartTimeoutMsMax;
      for (;;) {
        const session = await this.get(organization, id);
        if (session?.status === "active") {
          if (wanted.restoreFrom !== undefined) await this.#deps.files.handOver(organization, wanted.restoreFrom, id);
          return session;
        }
        const left = until - performance.now();
        if (session?.status !== "starting" || left <= 0) break;
        await watch.next(left);
      }
    } finally {
      watch.close();
    }
    await this.#ask(() => sessionDeleteScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]));
    throw new ServiceError("container_unavailable", {
      detail: "No worker had room for the container; come again later.",
      retryAfterSeconds: 10,
    });
  }

  /** Null for one that never was or has been forgotten; one whose worker is gone is `lost`. */
  async get(organization: string, id: string): Promise<Session | null> {
    const found = await this.#look(organization, id);
    return found === null ? null : toSession(found);
  }

  /** A page by age, after the one named. Rejects with `container_not_found` for an unknown `after`. */
  async list(
    organization: string,
    page: { after?: string | undefined; limit: number; order: "asc" | "desc"; name?: string | undefined },
  ): Promise<{ data: Session[]; hasMore: boolean }> {
    const { redis, keys } = this.#deps;
    const list = keys.sessionList(organization);
    let rank = 0;
    if (page.after !== undefined) {
      const { after } = page;
      const found = await this.#ask(() => (page.order === "asc" ? redis.zrank(list, after) : redis.zrevrank(list, after)));
      if (found === null) throw new ServiceError("container_not_found", { param: "after", detail: "`after` names no container." });
      rank = found + 1;
    }
    const data: Session[] = [];
    // One more than asked for tells whether there are more; records that have expired, or have other names, are passed over.
    while (data.length <= page.limit) {
      const start = rank;
      const stop = start + page.limit;
      const ids = await this.#ask(() => (page.order === "asc" ? redis.zrange(list, start, stop) : redis.zrevrange(list, start, stop)));
      if (ids.length === 0) break;
      rank += ids.length;
      const found = await Promise.all(ids.map((id) => this.get(organization, id)));
      for (const session of found) if (session !== null && (page.name === undefined || session.name === page.name)) data.push(session);
    }
    return { data: data.slice(0, page.limit), hasMore: data.length > page.limit };
  }

  /** Forgets a session with its files, and has its sandbox destroyed; false when there is none. */
  async delete(organization: string, id: string): Promise<boolean> {
    if (!containerIdPattern.test(id)) return false;
    const { redis, keys, queues } = this.#deps;
    const reply = await this.#ask(() => sessionDeleteScript.run(redis, keys.base, [organization, id]));
    if (!Array.isArray(reply)) return false;
    const worker = String(reply[1]);
    if (String(reply[0]) === "active") await this.#ask(() => queues.add(worker, { v: 1, op: "close", organization, session: id }));
    await this.#deps.files.deleteOwnedBy(organization, id);
    return true;
  }

  /** Files by age, of any session that has a record; those that have expired are not among them. Rejects with `container_not_found`. */
  async listFiles(organization: string, id: string): Promise<SessionFile[]> {
    if ((await this.#look(organization, id)) === null) throw new ServiceError("container_not_found");
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
  async addFile(organization: string, id: string, file: { fileId: string; name?: string }): Promise<SessionFile> {
    const [record] = await this.#deps.files.getMany(organization, [file.fileId]);
    if (record === undefined || record === null) throw invalid("file_id", "there is no such file");
    const name = file.name ?? record.name;
    const workerId = await this.#ownerOf(organization, id);
    const entry: IndexEntry = { id: file.fileId, source: "user", at: Date.now() };
    const refused = await this.#changeIndex(organization, id, [], [[name, entry]]);
    if (refused) throw invalid("file", `the container has ${this.#deps.limits.sessionFilesCountMax} files, which is the most`);
    await this.#ask(() => this.#deps.queues.add(workerId, { v: 1, op: "put", organization, session: id, name, fileId: file.fileId }));
    return { id: file.fileId, sessionId: id, name, bytes: record.bytes, source: "user", createdAt: entry.at };
  }

  /** Removes a file from the working folder before the next cell; false when the session has no such file. */
  async removeFile(organization: string, id: string, fileId: string): Promise<boolean> {
    const workerId = await this.#ownerOf(organization, id);
    const name = [...(await this.#index(organization, id))].find(([, entry]) => entry.id === fileId)?.[0];
    if (name === undefined) return false;
    await this.#changeIndex(organization, id, [name], []);
    await this.#ask(() => this.#deps.queues.add(workerId, { v: 1, op: "remove", organization, session: id, name }));
    await this.#deps.files.deleteOwnedBy(organization, id, fileId);
    return true;
  }

  /** Its idle time begins anew. Rejects with `container_not_found`, `container_expired`, `container_lost`. */
  async ensureActive(organization: string, id: string): Promise<void> {
    await this.#ownerOf(organization, id);
  }

  /** Lets a session that gives way do so at once where its room is needed, until it is used again. */
  async release(organization: string, id: string): Promise<void> {
    await this.#ask(() => sessionReleaseScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]));
  }

  /** The worker of an active session; rejects as `ensureActive`. */
  async #ownerOf(organization: string, id: string): Promise<string> {
    if (!containerIdPattern.test(id)) throw notActive("unknown");
    const reply = (await this.#ask(() => sessionTouchScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]))) as unknown[];
    const status = String(reply[0]);
    if (status !== "active") throw notActive(status);
    return String(reply[1]);
  }

  async #look(organization: string, id: string) {
    if (!containerIdPattern.test(id)) return null;
    const reply = await this.#ask(() => sessionLookScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]));
    return decodeSession(organization, reply);
  }

  async #submit(organization: string, id: string, args: Array<string | number>): Promise<void> {
    const { limits, redis, keys, queue } = this.#deps;
    const admission = [limits.queueTotalMax, limits.queuePerOrganizationMax, limits.sessionStartTimeoutMsMax, limits.retentionMsMax];
    const reply = (await this.#ask(() =>
      sessionCreateScript.run(redis, keys.base, [organization, id, ...admission, limits.sessionsPerOrganizationMax, ...args]),
    )) as unknown[];
    const kind = String(reply[0]);
    if (kind === "full") throw this.#deps.refused(reply);
    if (kind === "many") throw tooMany(limits);
    const options = { jobId: id, priority: Number(reply[1]), removeOnComplete: true, removeOnFail: true };
    await this.#ask(() => queue.add(OPEN_JOB, { v: 1, id, organization }, options)).catch(async (error: unknown) => {
      await sessionEndScript.run(redis, keys.base, [organization, id, "lost"]).catch(() => undefined);
      throw error;
    });
  }

  /** The files it begins with: those of the session it is restored from, then those that were named. */
  async #firstFiles(organization: string, wanted: NewSession): Promise<Map<string, IndexEntry>> {
    const first = new Map<string, IndexEntry>();
    if (wanted.restoreFrom !== undefined) {
      const from = await this.#restorable(organization, wanted.restoreFrom);
      for (const file of from) first.set(file.name, { id: file.id, source: file.source, at: file.createdAt });
    }
    const ids = wanted.fileIds ?? [];
    const records = await this.#deps.files.getMany(organization, ids);
    let bytes = 0;
    for (const [index, record] of records.entries()) {
      if (record === null) throw invalid(`file_ids.${index}`, "there is no such file");
      bytes += record.bytes;
      first.set(record.name, { id: record.id, source: "user", at: Date.now() });
    }
    const { filesInBytesMax, sessionFilesCountMax } = this.#deps.limits;
    if (bytes > filesInBytesMax) throw invalid("file_ids", `must have at most ${filesInBytesMax} bytes together`);
    if (first.size > sessionFilesCountMax) throw invalid("file_ids", `must name at most ${sessionFilesCountMax} files`);
    return first;
  }

  async #restorable(organization: string, id: string): Promise<SessionFile[]> {
    const from = await this.get(organization, id);
    if (from === null)
      throw new ServiceError("container_not_found", { param: "restore_from", detail: "`restore_from` names no container." });
    if (from.status !== "expired" && from.status !== "lost")
      throw invalid("restore_from", "must name a container that has expired or was lost");
    return this.listFiles(organization, id);
  }

  async #index(organization: string, id: string): Promise<Map<string, IndexEntry>> {
    return decodeIndex(await this.#ask(() => this.#deps.redis.hgetall(this.#deps.keys.sessionFiles(organization, id))));
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
    const refused = (await this.#ask(() => sessionFilesScript.run(redis, keys.base, args))) as unknown[];
    return refused.length > 0;
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#deps.unavailable(error);
    }
  }
}

const codes: Record<string, ErrorCode> = { expired: "container_expired", lost: "container_lost" };
const details: Record<string, string> = {
  expired: "The container was idle for too long; make another one, with `restore_from` if its files are wanted.",
  lost: "The container and its variables are gone; make another one, with `restore_from` if its files are wanted.",
  starting: "The container is not ready yet.",
};

/** Why a session of that status takes nothing. */
export function notActive(status: string): ServiceError {
  const detail = details[status];
  return new ServiceError(codes[status] ?? "container_not_found", { param: "container", ...(detail === undefined ? {} : { detail }) });
}

function toSession({ workerId: _, ...session }: Session & { workerId: string | null }): Session {
  return session;
}

function bounded(value: number, param: string, bound: { min: number; max: number; unit: string }): number {
  if (Number.isInteger(value) && value >= bound.min && value <= bound.max) return value;
  throw invalid(param, `must be ${bound.min} to ${bound.max} ${bound.unit}`);
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}

function tooMany(limits: Limits): ServiceError {
  return new ServiceError("organization_containers_full", {
    detail: `${limits.sessionsPerOrganizationMax} containers of your organization are in use, which is its most; delete one or let one expire.`,
    retryAfterSeconds: 30,
  });
}
