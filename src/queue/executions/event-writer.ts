import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import { orAborted } from "../../util/race.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "./record.ts";
import { outputScript } from "./run-scripts.ts";

/** Above this, `emit` waits for the writes, and backpressure reaches the sandbox. */
const PENDING_BYTES_MAX = 256 * 1024;
/** After this many entries, writes are paced, so that a program printing single letters creates fewer entries. */
const ENTRIES_UNPACED_MAX = 500;
const PACE_MS = 50;
/** The first write waits this long, so that the output of a short run is stored together with its end. */
const GATHER_MS = 10;

type TextOutput = Extract<Output, { type: "text" }>;

export interface EventWriterDeps {
  redis: RedisClient;
  keys: Keys;
  /** The attempt that emits the outputs. */
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  limits: Limits;
  log: Log;
  signal: AbortSignal;
}

/**
 * Appends the outputs of one run to its event stream, in order. During a write, adjacent text is merged for the next
 * one. Events are a live view; the stored result never depends on them. Late outputs are dropped: those of a superseded
 * attempt or of an ended execution.
 */
export class EventWriter {
  readonly #deps: EventWriterDeps;
  /** Text outputs, which may still grow, and JSON of all others. */
  #pending: Array<TextOutput | string> = [];
  #pendingBytes = 0;
  #bytesLeft: number;
  #entries = 0;
  #batches = 0;
  #ending = false;
  #writing: Promise<void> | null = null;
  /** The current write of `#writing`. */
  #inFlight: Promise<void> | null = null;

  constructor(deps: EventWriterDeps) {
    this.#deps = deps;
    const { stdoutKeptBytesMax, stderrKeptBytesMax, displaysBytesMax } = deps.limits;
    // Twice the limit of a result, because JSON is longer than the text it encodes.
    this.#bytesLeft = 2 * (stdoutKeptBytesMax + stderrKeptBytesMax + displaysBytesMax);
  }

  /** Resolves at once while the buffer has room, else when the writes have caught up. */
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

  /** Resolves once all outputs so far are in the stream. */
  async flush(): Promise<void> {
    while (this.#writing !== null && !this.#deps.signal.aborted) await this.#writing;
  }

  /**
   * The last call of a run. Waits for the current write, then returns the unwritten entries for the script that stores
   * the end. Returns none when the run was stopped.
   */
  async rest(): Promise<string[]> {
    this.#ending = true;
    await this.#inFlight;
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
      this.#inFlight = untilAborted(this.#write(outputs), signal).catch((error: unknown) => {
        log.warn({ error: error instanceof Error ? error.message : "unknown" }, "events of a run could not be written");
      });
      await this.#inFlight;
      if (this.#entries > ENTRIES_UNPACED_MAX) await pause(PACE_MS, signal);
    }
    this.#writing = null;
  }

  async #write(outputs: Array<TextOutput | string>): Promise<void> {
    const { redis, keys, stored } = this.#deps;
    const { organization, id, attempt } = stored;
    this.#entries += outputs.length;
    this.#batches += 1;
    const args = { organization, id, attempt, batchNumber: this.#batches };
    await outputScript.run(redis, keys.base, args, outputs.map(asJson));
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

/** Writes wait until Redis is back. A stopped run does not wait for them. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  await orAborted(work, signal).catch((error: unknown) => {
    if (error !== signal.reason) throw error;
  });
}
