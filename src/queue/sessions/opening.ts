import { setTimeout as sleep } from "node:timers/promises";
import { memoryUnits } from "../../domain/memory-units.ts";
import type { EngineSession, SessionEngine } from "../../domain/run.ts";
import type { Session } from "../../domain/session.ts";
import { VERSION } from "../core/version.ts";
import type { JobData, RunWorld } from "../worker/run-job.ts";
import type { SessionQueues } from "./jobs.ts";
import { decodeIndex, decodeSession } from "./record.ts";
import { roomiestWorkerScript, sessionActivateScript, sessionEndScript, sessionRoomScript, sessionStartScript } from "./scripts.ts";

export interface SessionOpeningDeps {
  world: RunWorld;
  engine: SessionEngine;
  workerId: string;
  queues: SessionQueues;
  /** How many more sessions of the usual memory this worker takes, those that are being opened not counted. */
  room(): number;
  /** Lets one of the sessions here give way, if there is one that does. */
  makeRoom(): Promise<void>;
  /** Takes over a session that is active. */
  opened(record: Session, session: EngineSession): void;
}

const NO_ROOM_MS = 200;

/** How a session comes to its worker: from the shared queue to one with room, to a sandbox, to being active. */
export class SessionOpening {
  readonly #deps: SessionOpeningDeps;
  #opening = 0;
  #stopped = false;

  constructor(deps: SessionOpeningDeps) {
    this.#deps = deps;
  }

  /** Makes a session out of a job of the shared queue. Without room it is handed to a worker that has some, or waits here. */
  async open({ organization, id }: JobData): Promise<void> {
    if (await this.#openWithRoom(organization, id)) return;
    const { queues, workerId } = this.#deps;
    // Beside the shared queue, where it would keep executions from running.
    await queues.add((await this.#roomiest()) ?? workerId, { v: VERSION, op: "open", organization, session: id });
  }

  /** Until here or elsewhere there is room, or nobody waits for it any more. */
  async openInTime(organization: string, id: string): Promise<void> {
    const { world, workerId, queues } = this.#deps;
    while ((await world.redis.hget(world.keys.session(organization, id), "status")) === "starting") {
      if (await this.#openWithRoom(organization, id)) return;
      const other = await this.#roomiest();
      if (other !== null && other !== workerId) return queues.add(other, { v: VERSION, op: "open", organization, session: id });
      if (this.#stopped) return;
      await this.#deps.makeRoom();
      await sleep(NO_ROOM_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.tellRoom();
  }

  /** Lets the other workers know how many more sessions this one takes. */
  tellRoom(): void {
    const { world, workerId } = this.#deps;
    sessionRoomScript
      .run(world.redis, world.keys.base, [workerId, this.#room()])
      .catch((error: unknown) => world.log.debug({ err: error }, "room for sessions was not told"));
  }

  #room(): number {
    return this.#stopped ? 0 : this.#deps.room() - this.#opening;
  }

  async #roomiest(): Promise<string | null> {
    const { redis, keys } = this.#deps.world;
    const worker = await roomiestWorkerScript.run(redis, keys.base, []);
    return worker === null ? null : String(worker);
  }

  /** False when there is no room for as much memory as it is to have. */
  async #openWithRoom(organization: string, id: string): Promise<boolean> {
    const { redis, keys, limits } = this.#deps.world;
    const memoryMb = Number(await redis.hget(keys.session(organization, id), "memory_mb"));
    const units = memoryUnits(memoryMb, limits.memoryMbMax);
    if (this.#room() < units) return false;
    this.#opening += units;
    this.tellRoom();
    try {
      const record = decodeSession(organization, await sessionStartScript.run(redis, keys.base, [organization, id]));
      if (record !== null) await this.#open(record);
    } finally {
      this.#opening -= units;
      this.tellRoom();
    }
    return true;
  }

  async #open(record: Session): Promise<void> {
    const { world, engine, workerId, opened } = this.#deps;
    const { organization, id, memoryMb } = record;
    let session: EngineSession | null = null;
    try {
      session = await engine.openSession({ id, memoryMb }, AbortSignal.timeout(world.limits.sandboxStartTimeoutMsMax));
      await this.#placeFirstFiles(session, record);
      const activated = await sessionActivateScript.run(world.redis, world.keys.base, [organization, id, workerId]);
      if (Number(activated) === 1) opened(record, session);
      else await session.close();
    } catch (error) {
      world.log.error({ session: id, err: error }, "a session could not be opened");
      await session?.close();
      await sessionEndScript.run(world.redis, world.keys.base, [organization, id, "lost"]);
    }
  }

  async #placeFirstFiles(session: EngineSession, { organization, id }: Session): Promise<void> {
    const { world } = this.#deps;
    const index = decodeIndex(await world.redis.hgetall(world.keys.sessionFiles(organization, id)));
    for (const [name, entry] of index) await session.putFile(name, entry.id, filePorts(world, organization, id));
  }
}

/** What placing a file asks of the world; nothing runs, so nothing else of a run's input is looked at. */
export function filePorts(world: RunWorld, organization: string, id: string) {
  const nothing = { code: "", args: [], stdin: "", env: {}, timeoutMs: 1, memoryMb: 1, files: [] };
  return world.ports({ id, organization, attempt: 1, ...nothing, session: id }, async () => undefined);
}
