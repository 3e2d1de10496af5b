import type { Queue } from "bullmq";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import { asTexts } from "../../redis/script.ts";
import { type Keys, memberOf, parseMember } from "../core/keys.ts";
import { queueScript } from "../core/script-prelude.ts";
import { VERSION } from "../core/version.ts";

/**
 * A program that waits for its caller's tools may wait for minutes. It then gives its job back to the queue as done and goes on
 * without one, "detached", so that the slot of the job is free for others. Its sandbox stays. Before it gets an answer, it takes a
 * slot again. Should its worker fall silent, another process gives it a new job, which starts it again or ends it.
 */
export interface DetachableRun {
  id: string;
  organization: string;
  /** Called once the run needs its job no more. */
  leave(): void;
}

export interface DetachedRunsDeps {
  redis: RedisClient;
  keys: Keys;
  log: Log;
  workerId: string;
  /** Runs that may use a processor at the same time. */
  concurrency: number;
  /** Runs with tools that have room now: the others wait in the queue. */
  runsMax(): number;
  /** Runs with a job. */
  othersRunning(): number;
  /** Called when `size` or `running` has changed. */
  onChange(): void;
}

export class DetachedRuns<Run extends DetachableRun> {
  readonly #deps: DetachedRunsDeps;
  /** Runs with tools, detached or not: id → organization. */
  readonly #reserved = new Map<string, string>();
  readonly #runs = new Set<Run>();
  readonly #running = new Set<Run>();
  readonly #waiting: Array<{ run: Run; enter: () => void }> = [];

  constructor(deps: DetachedRunsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** Detached runs that use a processor. */
  get running(): number {
    return this.#running.size;
  }

  has(run: Run): boolean {
    return this.#runs.has(run);
  }

  /** Slots that runs with tools hold or may hold. */
  get reserved(): number {
    return this.#reserved.size;
  }

  /**
   * Keeps room for a run with tools. False when there is none, or when its organization holds half of it: it may wait for its own
   * answers as long as it likes. `end` frees the room.
   */
  reserve(id: string, organization: string): boolean {
    const room = Math.max(1, this.#deps.runsMax());
    const own = [...this.#reserved.values()].filter((other) => other === organization).length;
    if (this.#reserved.size >= room || own >= Math.ceil(room / 2)) return false;
    this.#reserved.set(id, organization);
    return true;
  }

  /** The run only waits. The returned function resolves once it has a slot again. */
  pause(run: Run): () => Promise<void> {
    const detaching = this.#runs.has(run) ? Promise.resolve() : this.#detach(run);
    if (this.#running.delete(run)) this.#changed();
    return async () => {
      await detaching;
      if (this.#runs.has(run)) await this.#enter(run);
    };
  }

  /** The run has ended, detached or not. */
  end(run: Run): void {
    this.#reserved.delete(run.id);
    if (this.#runs.delete(run)) {
      this.#running.delete(run);
      const { redis, keys, workerId, log } = this.#deps;
      // Left behind, it costs its next worker one look.
      const warn = (error: unknown) => log.warn({ execution: run.id, err: error }, "a detached run could not be forgotten");
      redis.srem(keys.detachedOf(workerId), memberOf(run.organization, run.id)).catch(warn);
    }
    const at = this.#waiting.findIndex((one) => one.run === run);
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.enter();
    this.#changed();
  }

  async #detach(run: Run): Promise<void> {
    const { redis, keys, workerId, log } = this.#deps;
    const { organization, id } = run;
    try {
      await detachScript.run(redis, keys.base, { organization, id, worker: workerId });
    } catch (error) {
      log.warn({ execution: id, err: error }, "a waiting run keeps its job");
      return;
    }
    this.#runs.add(run);
    run.leave();
    this.#changed();
  }

  async #enter(run: Run): Promise<void> {
    if (this.#hasSlot()) {
      this.#running.add(run);
      this.#deps.onChange();
      return;
    }
    await new Promise<void>((enter) => this.#waiting.push({ run, enter }));
  }

  #hasSlot(): boolean {
    return this.#deps.othersRunning() + this.#running.size < this.#deps.concurrency;
  }

  /** A slot may be free: runs that have their answers take it before the next job of the queue. */
  #changed(): void {
    while (this.#waiting.length > 0 && this.#hasSlot()) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#running.add(next.run);
      next.enter();
    }
    this.#deps.onChange();
  }
}

/** Gives the detached runs of silent workers new jobs. Several processes may do this at the same time. */
export async function requeueDetachedOfSilentWorkers(redis: RedisClient, keys: Keys, queue: Queue, log: Log): Promise<void> {
  for (const entry of await silentDetachedScript.run(redis, keys.base, {})) {
    const [worker = "", member = ""] = entry.split(" ");
    const { organization, id } = parseMember(member);
    log.warn({ worker, execution: id }, "a worker with a waiting execution fell silent");
    await addAgain(queue, organization, id);
    await redis.srem(keys.detachedOf(worker), member);
  }
}

/** Gives an execution a new job; an existing one is kept. The worker that takes it decides from the record whether the code may run. */
export async function addAgain(queue: Queue, organization: string, id: string): Promise<void> {
  await queue.add("execution", { v: VERSION, id, organization }, { jobId: id, priority: 1, removeOnComplete: true, removeOnFail: true });
}

const detachScript = queueScript({
  args: ["organization", "id", "worker"],
  lua: `
local of = base .. ':detached-of:' .. worker
redis.call('SADD', of, organization .. '/' .. id)
redis.call('PEXPIRE', of, day)
redis.call('SADD', base .. ':detached-workers', worker)
redis.call('PEXPIRE', base .. ':detached-workers', day)
`,
  reply: () => undefined,
});

/** `worker organization/id` for each run of a worker whose heartbeat is overdue. Forgets workers without runs. */
const silentDetachedScript = queueScript({
  args: [],
  lua: `
local found = {}
for _, worker in ipairs(redis.call('SMEMBERS', base .. ':detached-workers')) do
  if redis.call('PTTL', base .. ':worker:' .. worker) < heartbeat_fresh then
    local members = redis.call('SMEMBERS', base .. ':detached-of:' .. worker)
    if #members == 0 then redis.call('SREM', base .. ':detached-workers', worker) end
    for _, member in ipairs(members) do found[#found + 1] = worker .. ' ' .. member end
  end
end
return found
`,
  reply: asTexts,
});
