import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { parseMember } from "../core/keys.ts";
import { confirmScript, unqueuedScript } from "./unqueued-scripts.ts";

/**
 * Between a record and its job Redis may go away, or the api process. Until its job is seen in a queue, an execution is
 * noted as unqueued; what stays noted is looked at here, so that it holds its place in the queue for seconds and not
 * until its deadline.
 */
export interface UnqueuedWorld {
  redis: RedisClient;
  keys: Keys;
  /** Adds the job of an execution whose caller comes back for it with an idempotency key. Where the job exists, adds nothing. */
  addJob(organization: string, id: string, priority: number, cell: { worker: string; session: string } | null): Promise<void>;
}

/** Longer than a caller waits for an answer that Redis holds up. */
const UNQUEUED_MS = 5_000;

/** The job is in its queue. False when that took so long that the execution has been withdrawn: it is not accepted. */
export async function confirmQueued(redis: RedisClient, keys: Keys, organization: string, id: string): Promise<boolean> {
  return Number(await confirmScript.run(redis, keys.base, [organization, id])) === 1;
}

/**
 * Forgets executions that never came into a queue: their callers were told so, or never heard of an id. One with an
 * idempotency key is queued instead, as the next request with that key is answered with it.
 */
export async function settleUnqueued(world: UnqueuedWorld): Promise<void> {
  const { redis, keys } = world;
  const queued = (await unqueuedScript.run(redis, keys.base, [UNQUEUED_MS])) as Buffer[][];
  for (const [member, priority, worker, session] of queued) {
    const { organization, id } = parseMember(String(member));
    const cell = String(worker) === "" ? null : { worker: String(worker), session: String(session) };
    await world.addJob(organization, id, Number(priority), cell);
    await confirmQueued(redis, keys, organization, id);
  }
}
