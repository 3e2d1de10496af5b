import type { Output } from "../../domain/outputs.ts";
import type { ReadEvent, ReadExecution } from "../../domain/result.ts";
import { isFinal, type Status } from "../../domain/status.ts";
import { StoredJson } from "../../domain/stored-json.ts";
import { unixMsOf } from "../../domain/time.ts";
import type { PendingCall, ToolOutcome } from "../../domain/tools.ts";
import type { ScriptReply } from "../../redis/script.ts";
import { queueScript } from "../core/script-prelude.ts";
import type { Wakeups } from "../core/wakeups.ts";
import type { OutputsSource } from "./outputs.ts";

const PAGE_ENTRIES_MAX = 200;
/** A page ends after the entry that reaches this. One entry alone may be several megabytes. */
const PAGE_BYTES_MAX = 256 * 1024;
/** A larger output is sent on as text, without parsing it. */
const PARSED_BYTES_MAX = 16 * 1024;
const POLL_MS = 5_000;
const eventIdPattern = /^\d{1,20}-\d{1,20}$/;

export interface EventQuery {
  organization: string;
  id: string;
  /** Id of the last event that the reader has. Null or malformed: all events. */
  after: string | null;
  signal: AbortSignal;
}

export interface EventSource extends OutputsSource {
  wakeups: Wakeups;
  load(organization: string, id: string): Promise<ReadExecution | null>;
}

type Entry = [id: string, kind: string, value: Buffer];

/**
 * The status of an execution and the next entries of its stream; null for an unknown execution. `from` is the start of
 * an XRANGE. `ended` says that there are no more entries now. The end and its entry are written together, so an ended
 * stream of an execution with a final status has no entry to come.
 */
const pageScript = queueScript({
  args: ["organization", "id", "from", "entriesMax", "bytesMax"],
  lua: `
local status = redis.call('HGET', record_key(organization, id), 'status')
if not status then return nil end
local stream, entries, bytes = stream_key(organization, id), {}, 0
while #entries < tonumber(entries_max) and bytes < tonumber(bytes_max) do
  local entry = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
  if not entry then return {status, entries, 1} end
  entries[#entries + 1] = {entry[1], entry[2][1], entry[2][2]}
  bytes = bytes + #entry[2][2]
  from = '(' .. entry[1]
end
return {status, entries, 0}
`,
  reply: (reply): { status: Status; entries: Entry[]; ended: boolean } | null => {
    if (!Array.isArray(reply)) return null;
    const [status, entries, ended] = reply as [Buffer, ScriptReply[], number];
    return { status: String(status) as Status, entries: entries.map(entryOf), ended: ended === 1 };
  },
});

function entryOf(entry: ScriptReply): Entry {
  const [id, kind, value] = entry as Buffer[];
  return [String(id), String(kind), value as Buffer];
}

/** Yields the events of one execution as they appear. Ends after `execution.ended`, an abort, or a deletion. */
export async function* readEvents(source: EventSource, query: EventQuery): AsyncGenerator<{ id: string; event: ReadEvent }> {
  const { redis, keys, turns, wakeups } = source;
  const { organization, id, signal } = query;
  let after = query.after !== null && eventIdPattern.test(query.after) ? query.after : null;
  const watch = await wakeups.watch(keys.wake(organization, id));
  const args = { organization, id, entriesMax: PAGE_ENTRIES_MAX, bytesMax: PAGE_BYTES_MAX };
  try {
    while (!signal.aborted) {
      const from = after === null ? "-" : `(${after}`;
      const page = await turns.run(organization, () => pageScript.run(redis, keys.base, { ...args, from }));
      if (page === null) return;
      for (const [entryId, kind, value] of page.entries) {
        after = entryId;
        const event = await decodeEvent(source, query, kind, value);
        if (event === null) return;
        yield { id: entryId, event };
        if (event.type === "execution.ended") return;
      }
      if (!page.ended) continue;
      if (isFinal(page.status)) {
        yield* endOfExpiredStream(source, query);
        return;
      }
      await watch.next(POLL_MS, signal);
    }
  } finally {
    watch.close();
  }
}

async function decodeEvent(source: EventSource, query: EventQuery, kind: string, value: Buffer): Promise<ReadEvent | null> {
  if (kind === "started") return { type: "execution.started", attempt: Number(value) };
  if (kind === "output") return { type: "execution.output", output: decodeOutput(value) };
  if (kind === "tool_call") return toolCallEvent(source, query, value.toString("utf8"));
  if (kind === "tool_output") {
    const [call_id = "", outcome] = value.toString("utf8").split(" ");
    return { type: "execution.tool_output", call_id, outcome: outcome as ToolOutcome };
  }
  const execution = await source.load(query.organization, query.id);
  return execution === null ? null : { type: "execution.ended", execution };
}

function decodeOutput(json: Buffer): Output | StoredJson<Output> {
  if (json.length <= PARSED_BYTES_MAX) return JSON.parse(json.toString("utf8")) as Output;
  return new StoredJson(json.length, async function* parts() {
    yield json;
  });
}

/** The stream has the call's id and name. Its arguments are kept only while it waits. */
async function toolCallEvent({ redis, keys }: EventSource, query: EventQuery, entry: string): Promise<ReadEvent> {
  const [call_id = "", name = ""] = entry.split(" ");
  const waiting = await redis.hget(keys.calls(query.organization, query.id), call_id);
  const args = waiting === null ? null : (JSON.parse(waiting) as PendingCall).arguments;
  return { type: "execution.tool_call", call_id, name, arguments: args };
}

/** The stream expires before the record. Then only the end is left to send, unless the reader has it. */
async function* endOfExpiredStream(source: EventSource, query: EventQuery): AsyncGenerator<{ id: string; event: ReadEvent }> {
  if ((await source.redis.exists(source.keys.events(query.organization, query.id))) === 1) return;
  const execution = await source.load(query.organization, query.id);
  if (execution === null) return;
  yield { id: `${unixMsOf(execution.completed_at ?? 0)}-0`, event: { type: "execution.ended", execution } };
}
