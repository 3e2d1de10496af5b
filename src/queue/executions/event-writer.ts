import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "./record.ts";
import { outputScript } from "./scripts.ts";

/** More than this waiting to be written, and whoever emits waits, which in the end slows the sandbox. */
const PENDING_BYTES_MAX = 256 * 1024;
/** A program that prints a letter at a time gets its first entries at once, later ones gathered. */
const ENTRIES_UNPACED_MAX = 500;
const PACE_MS = 50;
/** The first entry waits this long for company: what a short run prints goes to Redis together with its end. */
const GATHER_MS = 10;

type TextOutput = Extract<Output, { type: "text" }>;

export interface EventWriterDeps {
  redis: RedisClient;
  keys: Keys;
  /** The attempt whose outputs these are. */
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  limits: Limits;
  log: Log;
  signal: AbortSignal;
}

/**
 * Appends the outputs of one run to its event stream, in order. While one write is on its way, neighbouring
 * text gathers and goes with the next. Events are a live view: the stored result never depends on them. What comes late,
 * from a run that another one has replaced or whose execution has ended, is not appended.
 */
export class EventWriter {
  readonly #deps: EventWriterDeps;
  /** Text as it is, as more may join it; anything else as JSON. */
  #pending: Array<TextOutput | string> = [];
  #pendingBytes = 0;
  #bytesLeft: number;
  #entries = 0;
  #batches = 0;
  #ending = false;
  #writing: Promise<void> | null = null;
  /** The part of `#writing` that Redis is asked for now. */
  #onItsWay: Promise<void> | null = null;

  constructor(deps: EventWriterDeps) {
    this.#deps = deps;
    const { stdoutKeptBytesMax, stderrKeptBytesMax, displaysBytesMax } = deps.limits;
    // Twice what a result may hold, as JSON is longer than what it says.
    this.#bytesLeft = 2 * (stdoutKeptBytesMax + stderrKeptBytesMax + displaysBytesMax);
  }

  /** Resolves at once while there is room; else when the stream has caught up. */
  async emit(output: Output): Promise<void> {
    const written = output.type === "text" ? output : JSON.stringify(output);
    const bytes = typeof written === "string" ? written.length : written.text.length;
    if (bytes > this.#bytesLeft) return;
    this.#bytesLeft -= bytes;
    this.#pendingBytes += bytes;
    if (typeof written === "string" || !this.#joinWithLast(written)) this.#pending.push(written);
    this.#writing ??= this.#writeAll();
    if (this.#pendingBytes > PENDING_BYTES_MAX) await this.#writing;
  }

  /**
   * The last call of a run. Resolves, once nothing is on its way any more, with the entries that were not written, which
   * are for the script that stores the end; none when the run was stopped.
   */
  async rest(): Promise<string[]> {
    this.#ending = true;
    await this.#onItsWay;
    return this.#deps.signal.aborted ? [] : this.#pending.map(asJson);
  }

  #joinWithLast(output: TextOutput): boolean {
    const last = this.#pending.at(-1);
    if (last === undefined || typeof last === "string" || last.stream !== output.stream) return false;
    const replaced = last.invalid_utf8 === true || output.invalid_utf8 === true;
    this.#pending[this.#pending.length - 1] = {
      ...last,
      text: last.text + output.text,
      ...(replaced ? { invalid_utf8: true } : {}),
    };
    return true;
  }

  async #writeAll(): Promise<void> {
    const { signal, log } = this.#deps;
    if (this.#entries === 0) await pause(GATHER_MS, signal);
    while (this.#pending.length > 0 && !signal.aborted && !this.#ending) {
      const outputs = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#onItsWay = untilAborted(this.#write(outputs), signal).catch((error: unknown) => {
        log.warn({ error: error instanceof Error ? error.message : "unknown" }, "events of a run could not be written");
      });
      await this.#onItsWay;
      if (this.#entries > ENTRIES_UNPACED_MAX) await pause(PACE_MS, signal);
    }
    this.#writing = null;
  }

  async #write(outputs: Array<TextOutput | string>): Promise<void> {
    const { redis, keys, stored } = this.#deps;
    const { organization, id, attempt } = stored;
    this.#entries += outputs.length;
    this.#batches += 1;
    await outputScript.run(redis, keys.base, [organization, id, attempt, this.#batches, ...outputs.map(asJson)]);
  }
}

function asJson(written: TextOutput | string): string {
  return typeof written === "string" ? written : JSON.stringify(written);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** A write to a Redis that is away waits for its return; a stopped run does not wait with it. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let abort = () => {};
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
