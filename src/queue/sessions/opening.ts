import { setTimeout as sleep } from "node:timers/promises";
import { memoryUnits } from "../../domain/memory-units.ts";
import type { EngineSession, SessionEngine } from "../../domain/run.ts";
import type { Session } from "../../domain/session.ts";
import { VERSION } from "../core/version.ts";
import type { JobData, RunContext } from "../worker/run-job.ts";
import type { SessionQueues } from "./jobs.ts";
import { decodeIndex, decodeSession } from "./record.ts";
import { sessionActivateScript, sessionEndScript, sessionRoomScript, sessionStartScript, workerWithMostRoomScript } from "./scripts.ts";

export interface SessionOpeningDeps {
  context: RunContext;
  engine: SessionEngine;
  workerId: string;
  queues: SessionQueues;
  /** Free slots for sessions, without those of sessions that are being opened. */
  room(): number;
  /** Evicts a session that gives way to one of this organization, if there is one. */
  makeRoom(organization: string): Promise<void>;
  /** Takes over an active session. */
  opened(record: Session, session: EngineSession): void;
}

const ROOM_POLL_MS = 200;

/** Opens sessions: from the shared queue to a worker with room, to a sandbox, to the status active. */
export class SessionOpening {
  readonly #deps: SessionOpeningDeps;
  #opening = 0;
  #stopped = false;

  constructor(deps: SessionOpeningDeps) {
    this.#deps = deps;
  }

  /**
   * Opens a session for a job of the shared queue. Without room, passes it to a worker that has some, or it waits here.
   */
  async open({ organization, id }: JobData): Promise<void> {
    if (await this.#openWithRoom(organization, id)) return;
    const { queues, workerId } = this.#deps;
    // In the queue of a worker: in the shared queue it would block executions.
    await queues.add((await this.#workerWithMostRoom()) ?? workerId, { v: VERSION, op: "open", organization, session: id });
  }

  /** Waits until this or another worker has room, or until the session is no longer wanted. */
  async openWhenRoom(organization: string, id: string): Promise<void> {
    const { context, workerId, queues } = this.#deps;
    while ((await context.redis.hget(context.keys.session(organization, id), "status")) === "starting") {
      if (await this.#openWithRoom(organization, id)) return;
      const other = await this.#workerWithMostRoom();
      if (other !== null && other !== workerId) return queues.add(other, { v: VERSION, op: "open", organization, session: id });
      if (this.#stopped) return;
      await this.#deps.makeRoom(organization);
      await sleep(ROOM_POLL_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.announceRoom();
  }

  /** Announces to the other workers how many more sessions this one takes. */
  announceRoom(): void {
    const { context, workerId } = this.#deps;
    sessionRoomScript
      .run(context.redis, context.keys.base, { worker: workerId, room: this.#room() })
      .catch((error: unknown) => context.log.debug({ err: error }, "room for sessions could not be announced"));
  }

  #room(): number {
    return this.#stopped ? 0 : this.#deps.room() - this.#opening;
  }

  async #workerWithMostRoom(): Promise<string | null> {
    const { redis, keys } = this.#deps.context;
    return workerWithMostRoomScript.run(redis, keys.base, {});
  }

  /** False when there is no room for the session's memory. */
  async #openWithRoom(organization: string, id: string): Promise<boolean> {
    const { redis, keys, limits } = this.#deps.context;
    const memoryMb = Number(await redis.hget(keys.session(organization, id), "memory_mb"));
    const slots = memoryUnits(memoryMb, limits.memoryMbMax);
    if (this.#room() < slots) return false;
    this.#opening += slots;
    this.announceRoom();
    try {
      const record = decodeSession(organization, await sessionStartScript.run(redis, keys.base, { organization, id }));
      if (record !== null) await this.#open(record);
    } finally {
      this.#opening -= slots;
      this.announceRoom();
    }
    return true;
  }

  async #open(record: Session): Promise<void> {
    const { context, engine, workerId, opened } = this.#deps;
    const { organization, id, memoryMb, restoresCells } = record;
    let session: EngineSession | null = null;
    try {
      session = await engine.openSession({ id, memoryMb, restoresCells }, AbortSignal.timeout(context.limits.sandboxStartTimeoutMsMax));
      await this.#placeFirstFiles(session, record);
      const activated = await sessionActivateScript.run(context.redis, context.keys.base, { organization, id, worker: workerId });
      if (activated) opened(record, session);
      else await session.close();
    } catch (error) {
      context.log.error({ session: id, err: error }, "a session could not be opened");
      await session?.close();
      await sessionEndScript.run(context.redis, context.keys.base, { organization, id, finalStatus: "lost" });
    }
  }

  async #placeFirstFiles(session: EngineSession, { organization, id }: Session): Promise<void> {
    const { context } = this.#deps;
    const index = decodeIndex(await context.redis.hgetall(context.keys.sessionFiles(organization, id)));
    for (const [name, entry] of index) await session.putFile(name, entry.id, filePorts(context, organization, id));
  }
}

/** Ports for placing files. No code runs, so the other inputs are unused. */
export function filePorts(context: RunContext, organization: string, id: string) {
  const unused = { code: "", args: [], stdin: "", env: {}, timeoutMs: 1, memoryMb: 1, files: [] };
  return context.ports({ id, organization, attempt: 1, ...unused, session: id }, async () => undefined);
}
