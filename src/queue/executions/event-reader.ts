import type { Output } from "../../domain/outputs.ts";
import type { Execution, ExecutionEvent } from "../../domain/result.ts";
import { isFinal, type Status } from "../../domain/status.ts";
import { unixMsOf } from "../../domain/time.ts";
import type { PendingCall, ToolOutcome } from "../../domain/tools.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { Wakeups } from "../core/wakeups.ts";

const PAGE_ENTRIES = 200;
const POLL_MS = 5_000;
const eventIdPattern = /^\d{1,20}-\d{1,20}$/;

export interface EventQuery {
  organization: string;
  id: string;
  /** Id of the last event that the reader has. Null or malformed: all events. */
  after: string | null;
  signal: AbortSignal;
}

export interface EventSource {
  redis: RedisClient;
  keys: Keys;
  wakeups: Wakeups;
  load(organization: string, id: string): Promise<Execution | null>;
}

/** Yields the events of one execution as they appear. Ends after `execution.ended`, an abort, or a deletion. */
export async function* readEvents(source: EventSource, query: EventQuery): AsyncGenerator<{ id: string; event: ExecutionEvent }> {
  const { redis, keys, wakeups } = source;
  const { organization, id, signal } = query;
  let after = query.after !== null && eventIdPattern.test(query.after) ? query.after : null;
  const watch = await wakeups.watch(keys.wake(organization, id));
  try {
    while (!signal.aborted) {
      // Status first: the end and its stream entry are written atomically, so a final status implies that the entry
      // exists.
      const status = (await redis.hget(keys.record(organization, id), "status")) as Status | null;
      if (status === null) return;
      const from = after === null ? "-" : `(${after}`;
      const entries = await redis.xrange(keys.events(organization, id), from, "+", "COUNT", PAGE_ENTRIES);
      for (const [entryId, fields] of entries) {
        after = entryId;
        const event = await decodeEvent(source, query, fields);
        if (event === null) return;
        yield { id: entryId, event };
        if (event.type === "execution.ended") return;
      }
      if (entries.length === PAGE_ENTRIES) continue;
      if (entries.length === 0 && isFinal(status)) {
        yield* endOfExpiredStream(source, query);
        return;
      }
      if (entries.length === 0) await watch.next(POLL_MS, signal);
    }
  } finally {
    watch.close();
  }
}

async function decodeEvent(source: EventSource, query: EventQuery, fields: string[]): Promise<ExecutionEvent | null> {
  const [kind, value = ""] = fields;
  if (kind === "started") return { type: "execution.started", attempt: Number(value) };
  if (kind === "output") return { type: "execution.output", output: JSON.parse(value) as Output };
  if (kind === "tool_call") return toolCallEvent(source, query, value);
  if (kind === "tool_output") {
    const [call_id = "", outcome] = value.split(" ");
    return { type: "execution.tool_output", call_id, outcome: outcome as ToolOutcome };
  }
  const execution = await source.load(query.organization, query.id);
  return execution === null ? null : { type: "execution.ended", execution };
}

/** The stream has the call's id and name. Its arguments are kept only while it waits. */
async function toolCallEvent({ redis, keys }: EventSource, query: EventQuery, entry: string): Promise<ExecutionEvent> {
  const [call_id = "", name = ""] = entry.split(" ");
  const waiting = await redis.hget(keys.calls(query.organization, query.id), call_id);
  const args = waiting === null ? null : (JSON.parse(waiting) as PendingCall).arguments;
  return { type: "execution.tool_call", call_id, name, arguments: args };
}

/** The stream expires before the record. Then only the end is left to send, unless the reader has it. */
async function* endOfExpiredStream(source: EventSource, query: EventQuery): AsyncGenerator<{ id: string; event: ExecutionEvent }> {
  if ((await source.redis.exists(source.keys.events(query.organization, query.id))) === 1) return;
  const execution = await source.load(query.organization, query.id);
  if (execution === null) return;
  yield { id: `${unixMsOf(execution.completed_at ?? 0)}-0`, event: { type: "execution.ended", execution } };
}
