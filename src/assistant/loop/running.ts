import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { ModelFailed, modelFailures } from "../model/model.ts";
import type { ResponseStore } from "../ports.ts";
import type { StoredResponse } from "../views/response.ts";
import type { ResponseEvent } from "../views/views.ts";
import { ResponseFailed } from "./code-runs.ts";
import { type LoopWorld, runLoop } from "./loop.ts";
import { OutputWriter } from "./output-writer.ts";

export type AbortReason = "cancelled" | "shutdown" | "timeout";

/** A response that runs in this process: its events for whoever listens, its end, and the way to stop it. */
export class RunningResponse {
  readonly response: StoredResponse;
  readonly done: Promise<void>;
  readonly #events: ResponseEvent[] = [];
  readonly #abort = new AbortController();
  readonly #waiters = new Set<() => void>();
  readonly #store: ResponseStore | null;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #isDone = false;
  #logged = 0;
  #logging: Promise<void> = Promise.resolve();

  constructor(
    world: LoopWorld,
    run: { response: StoredResponse; fileIds: readonly string[] },
    keeping: { store: ResponseStore | null; log: Log; metrics: Metrics },
  ) {
    this.response = run.response;
    this.#store = keeping.store;
    this.#log = keeping.log;
    this.#metrics = keeping.metrics;
    this.done = this.#run(world, run).finally(() => {
      this.#isDone = true;
      this.#wake();
    });
  }

  abort(reason: AbortReason): void {
    this.#abort.abort(reason);
  }

  /** Events after a sequence number, to the end of the response or the signal's. */
  async *events(after: number, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    for (let next = after + 1; !signal.aborted; ) {
      const event = this.#events[next];
      if (event !== undefined) {
        next += 1;
        yield event;
      } else if (this.#isDone) return;
      else await this.#change(signal);
    }
  }

  async #run(world: LoopWorld, run: { response: StoredResponse; fileIds: readonly string[] }): Promise<void> {
    const { response } = this;
    const writer = new OutputWriter(response, (event) => this.#tell(event));
    writer.responseIs("created");
    if (response.status === "queued") writer.responseIs("queued");
    response.status = "in_progress";
    writer.responseIs("in_progress");
    const timer = setTimeout(() => this.abort("timeout"), world.limits.responseTimeoutMsMax);
    try {
      const end = await runLoop(world, { ...run, writer, signal: this.#abort.signal });
      response.status = end === "completed" ? "completed" : "incomplete";
      if (end !== "completed") response.incomplete = end.incomplete;
    } catch (error) {
      this.#endWith(error);
    } finally {
      clearTimeout(timer);
    }
    writer.endOpenItems();
    response.completedAt = Date.now();
    this.#metrics.responses.inc({ status: response.status, failure: response.failure?.code ?? "none" });
    await this.#keepEnd(world.limits);
    writer.responseIs(endEventOf(response));
    await this.#logging;
  }

  #endWith(error: unknown): void {
    const { response } = this;
    const { signal } = this.#abort;
    if (signal.aborted && signal.reason === "cancelled") {
      response.status = "cancelled";
      return;
    }
    response.status = "failed";
    if (signal.aborted) response.failure = abortFailures[signal.reason as "shutdown" | "timeout"];
    else if (error instanceof ResponseFailed) response.failure = { code: error.code, message: error.message };
    else if (error instanceof ModelFailed) response.failure = { code: error.code, message: modelMessage(error) };
    else response.failure = { code: "server_error", message: "The service failed." };
    const isOurs = response.failure.code === "server_error" || response.failure.code === "execution_failed";
    this.#log[isOurs ? "error" : "warn"](
      {
        response: response.id,
        failure: response.failure.code,
        ...(isOurs ? { err: error } : error instanceof ModelFailed ? { status: error.status } : {}),
      },
      "a response failed",
    );
  }

  /** The caller has the result, so that a store which is away costs only the later look at it. */
  async #keepEnd(limits: Limits): Promise<void> {
    if (this.#store === null) return;
    try {
      await this.#store.finish(fitting(this.response, limits));
    } catch (error) {
      this.#log.error({ err: error, response: this.response.id }, "the end of a response could not be stored");
    }
  }

  #tell(event: ResponseEvent): void {
    this.#events.push(event);
    this.#wake();
    if (this.#store !== null) this.#logging = this.#logging.then(() => this.#logEvents(this.#store as ResponseStore));
  }

  /** Whatever has come since the last write, in one write. */
  async #logEvents(store: ResponseStore): Promise<void> {
    const events = this.#events.slice(this.#logged);
    if (events.length === 0) return;
    this.#logged = this.#events.length;
    const { organization, id } = this.response;
    await store.appendEvents(organization, id, events).catch((error: unknown) => {
      this.#log.warn({ err: error, response: id }, "events of a response could not be stored");
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** Clients of OpenAI's API know no event for a response that was cancelled; its status says so. */
export function endEventOf({ status, dialect }: StoredResponse): "completed" | "failed" | "incomplete" | "cancelled" {
  if (status === "cancelled") return dialect === "openai" ? "incomplete" : "cancelled";
  return status === "completed" || status === "incomplete" ? status : "failed";
}

const abortFailures = {
  shutdown: { code: "process_lost", message: "The process that ran the response was stopped; send the request again." },
  timeout: { code: "response_timeout", message: "The response took longer than it may." },
} as const;

function modelMessage(failure: ModelFailed): string {
  return failure.status === null ? modelFailures[failure.code] : `${modelFailures[failure.code]} (HTTP ${failure.status})`;
}

/** Of a response too large to keep, the outputs of code are left to their executions, which have them all. */
export function fitting(response: StoredResponse, limits: Limits): StoredResponse {
  if (isWithin(response, limits.responseBytesMax)) return response;
  return { ...response, output: response.output.map((item) => (item.type === "code_call" ? withFilesOnly(item) : item)) };
}

/** Item by item, and no further than it has to: all of them together may be longer than a string can be. */
function isWithin({ output, ...rest }: StoredResponse, bytesMax: number): boolean {
  let bytes = 0;
  for (const part of [rest, ...output]) {
    bytes += Buffer.byteLength(JSON.stringify(part)) + 1;
    if (bytes > bytesMax) return false;
  }
  return true;
}

export function withFilesOnly<T extends { outputs: Array<{ type: string }> }>(call: T): T {
  return { ...call, outputs: call.outputs.filter((output) => output.type === "file" || output.type === "image") };
}
