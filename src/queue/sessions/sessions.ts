import type { Queue } from "bullmq";
import { ServiceError } from "../../domain/errors.ts";
import { containerIdPattern, newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { NewSession, Session, SessionFile } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import { type Keys, memberOf } from "../core/keys.ts";
import type { Refusal } from "../core/script-prelude.ts";
import { callRedis } from "../core/unavailable.ts";
import { VERSION } from "../core/version.ts";
import type { Wakeups } from "../core/wakeups.ts";
import { SessionFiles, type StoredFiles } from "./files.ts";
import { OPEN_JOB, type SessionQueues } from "./jobs.ts";
import { SessionLookup } from "./lookup.ts";
import { encodeIndex } from "./record.ts";
import { sessionCreateScript, sessionDeleteScript, sessionEndScript, sessionReleaseScript } from "./scripts.ts";

export interface SessionsDeps {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  limitsOf: LimitsOf;
  /** The shared queue. */
  queue: Queue;
  queues: SessionQueues;
  wakeups: Wakeups;
  files: StoredFiles;
  /** Turns a refusal of the queue into the error for the caller. */
  refused(refusal: Refusal, limits: Limits): ServiceError;
}

/** The api's side of sessions: their records, and jobs for their owners. Files are in files.ts. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #lookup: SessionLookup;
  readonly #files: SessionFiles;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#lookup = new SessionLookup(deps);
    this.#files = new SessionFiles({ ...deps, lookup: this.#lookup });
  }

  /**
   * Resolves with an active session. Rejects with `organization_containers_full`, `queue_full`,
   * `organization_queue_full`, `container_unavailable` when no worker had room in time, `container_not_found` for an
   * unknown `restoreFrom`, and `invalid_field` for values out of bounds.
   */
  async create(organization: string, wanted: NewSession = {}): Promise<Session> {
    const limits = this.#deps.limitsOf(organization);
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
    const restored = wanted.restoreFrom === undefined ? [] : await this.#restorable(organization, wanted.restoreFrom);
    const files = await this.#files.initialIndex(organization, restored, wanted.fileIds ?? []);
    const watch = this.#deps.wakeups.watchEnd(memberOf(organization, id));
    try {
      await this.#submit(organization, id, { ...wanted, memoryMb, expiresAfterMinutes: minutes }, encodeIndex(files));
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
    await callRedis(() => sessionDeleteScript.run(this.#deps.redis, this.#deps.keys.base, { organization, id }));
    throw new ServiceError("container_unavailable", {
      detail: "No worker had room for the container; retry later.",
      retryAfterSeconds: 10,
    });
  }

  /** Null when there is no record. A session whose worker is gone is `lost`. */
  async get(organization: string, id: string): Promise<Session | null> {
    const found = await this.#lookup.record(organization, id);
    return found === null ? null : toSession(found);
  }

  /** A page of sessions by age. Rejects with `container_not_found` for an unknown `after`. */
  async list(
    organization: string,
    page: { after?: string | undefined; limit: number; order: "asc" | "desc"; name?: string | undefined },
  ): Promise<{ data: Session[]; hasMore: boolean }> {
    const { redis, keys } = this.#deps;
    const list = keys.sessionList(organization);
    let rank = 0;
    if (page.after !== undefined) {
      const { after } = page;
      const found = await callRedis(() => (page.order === "asc" ? redis.zrank(list, after) : redis.zrevrank(list, after)));
      if (found === null) throw new ServiceError("container_not_found", { param: "after", detail: "`after`: there is no such container." });
      rank = found + 1;
    }
    const data: Session[] = [];
    // One more than requested shows whether there are more. Expired records and other names are skipped.
    while (data.length <= page.limit) {
      const start = rank;
      const stop = start + page.limit;
      const ids = await callRedis(() => (page.order === "asc" ? redis.zrange(list, start, stop) : redis.zrevrange(list, start, stop)));
      if (ids.length === 0) break;
      rank += ids.length;
      const found = await Promise.all(ids.map((id) => this.get(organization, id)));
      for (const session of found) if (session !== null && (page.name === undefined || session.name === page.name)) data.push(session);
    }
    return { data: data.slice(0, page.limit), hasMore: data.length > page.limit };
  }

  /** Deletes a session with its files and sandbox. False when there is none. */
  async delete(organization: string, id: string): Promise<boolean> {
    if (!containerIdPattern.test(id)) return false;
    const { redis, keys, queues } = this.#deps;
    const deleted = await callRedis(() => sessionDeleteScript.run(redis, keys.base, { organization, id }));
    if (deleted === null) return false;
    const { status, worker } = deleted;
    if (status === "active") await callRedis(() => queues.add(worker, { v: VERSION, op: "close", organization, session: id }));
    await this.#deps.files.deleteOwnedBy(organization, id);
    return true;
  }

  listFiles(organization: string, id: string): Promise<SessionFile[]> {
    return this.#files.list(organization, id);
  }

  addFile(organization: string, id: string, file: { fileId: string; name?: string }): Promise<SessionFile> {
    return this.#files.add(organization, id, file);
  }

  removeFile(organization: string, id: string, fileId: string): Promise<boolean> {
    return this.#files.remove(organization, id, fileId);
  }

  /** Restarts the idle time. Rejects with `container_not_found`, `container_expired`, `container_lost`. */
  async ensureActive(organization: string, id: string): Promise<void> {
    await this.#lookup.owner(organization, id);
  }

  /** Allows a session that gives way to be evicted at once, until it is used again. */
  async release(organization: string, id: string): Promise<void> {
    await callRedis(() => sessionReleaseScript.run(this.#deps.redis, this.#deps.keys.base, { organization, id }));
  }

  async #submit(
    organization: string,
    id: string,
    wanted: NewSession & { memoryMb: number; expiresAfterMinutes: number },
    index: readonly string[],
  ): Promise<void> {
    const { redis, keys, queue } = this.#deps;
    const limits = this.#deps.limitsOf(organization);
    const args = {
      organization,
      id,
      queueTotalMax: limits.queueTotalMax,
      queuePerOrganizationMax: limits.queuePerOrganizationMax,
      waitMs: limits.sessionStartTimeoutMsMax,
      retentionMs: limits.retentionMsMax,
      sessionsMax: limits.sessionsPerOrganizationMax,
      name: wanted.name ?? "",
      memoryMb: wanted.memoryMb,
      minutes: wanted.expiresAfterMinutes,
      restoredFrom: wanted.restoreFrom ?? "",
      givesWay: wanted.givesWay === true ? 1 : 0,
      givesWayAfterMs: limits.sessionGivesWayAfterMs,
      restoresCells: wanted.restoresCells === false ? 0 : 1,
    };
    const reply = await callRedis(() => sessionCreateScript.run(redis, keys.base, args, index));
    if (reply.kind === "full") throw this.#deps.refused(reply, limits);
    if (reply.kind === "many") throw tooMany(limits);
    const options = { jobId: id, priority: reply.priority, removeOnComplete: true, removeOnFail: true };
    await callRedis(() => queue.add(OPEN_JOB, { v: VERSION, id, organization }, options)).catch(async (error: unknown) => {
      await sessionEndScript.run(redis, keys.base, { organization, id, finalStatus: "lost" }).catch(() => undefined);
      throw error;
    });
  }

  async #restorable(organization: string, id: string): Promise<SessionFile[]> {
    const from = await this.get(organization, id);
    if (from === null)
      throw new ServiceError("container_not_found", { param: "restore_from", detail: "`restore_from`: there is no such container." });
    if (from.status !== "expired" && from.status !== "lost")
      throw invalid("restore_from", "must name a container that has expired or was lost");
    return this.listFiles(organization, id);
  }
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
    detail: `Your organization's limit of ${limits.sessionsPerOrganizationMax} containers is reached; delete one or let one expire.`,
    retryAfterSeconds: 30,
  });
}
