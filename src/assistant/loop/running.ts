import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { ModelFailed, modelFailures } from "../model/model.ts";
import type { ConversationStore, ResponseStore } from "../ports.ts";
import type { Failure } from "../views/failure.ts";
import type { StoredResponse } from "../views/response.ts";
import type { ResponseEvent } from "../views/views.ts";
import { ResponseFailed } from "./code-runs.ts";
import { type LoopContext, runLoop } from "./loop.ts";
import { OutputWriter } from "./output-writer.ts";

export type AbortReason = "cancelled" | "shutdown" | "timeout";

/** A response that runs in this process. Gives its events, its end, and a way to abort it. */
export class RunningResponse {
  readonly response: StoredResponse;
  readonly done: Promise<void>;
  readonly #events: ResponseEvent[] = [];
  readonly #abort = new AbortController();
  readonly #waiters = new Set<() => void>();
  readonly #store: ResponseStore | null;
  readonly #conversations: ConversationStore;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #isDone = false;
  #storedCount = 0;
  #storing: Promise<void> = Promise.resolve();

  constructor(
    context: LoopContext,
    run: { response: StoredResponse; fileIds: readonly string[] },
    keeping: { store: ResponseStore | null; conversations: ConversationStore; log: Log; metrics: Metrics },
  ) {
    this.response = run.response;
    this.#store = keeping.store;
    this.#conversations = keeping.conversations;
    this.#log = keeping.log;
    this.#metrics = keeping.metrics;
    this.done = this.#run(context, run).finally(() => {
      this.#isDone = true;
      this.#wakeReaders();
    });
  }

  abort(reason: AbortReason): void {
    this.#abort.abort(reason);
  }

  /** Events after a sequence number, until the response ends or the signal aborts. */
  async *events(after: number, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    for (let next = after + 1; !signal.aborted; ) {
      const event = this.#events[next];
      if (event !== undefined) {
        next += 1;
        yield event;
      } else if (this.#isDone) return;
      else await this.#nextEvent(signal);
    }
  }

  async #run(context: LoopContext, run: { response: StoredResponse; fileIds: readonly string[] }): Promise<void> {
    const { response } = this;
    const writer = new OutputWriter(response, (event) => this.#addEvent(event));
    writer.responseIs("created");
    if (response.status === "queued") writer.responseIs("queued");
    response.status = "in_progress";
    writer.responseIs("in_progress");
    const timer = setTimeout(() => this.abort("timeout"), context.limits.responseTimeoutMsMax);
    try {
      const end = await runLoop(context, { ...run, writer, signal: this.#abort.signal });
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
    await this.#storeEnd(context.limits);
    await this.#addToConversation();
    writer.responseIs(endEventOf(response));
    await this.#storing;
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
    else if (error instanceof ModelFailed) response.failure = failureOfModel(error);
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

  /** Never rejects: the caller gets the result anyway, and without the store it only cannot be read again. */
  async #storeEnd(limits: Limits): Promise<void> {
    if (this.#store === null) return;
    try {
      if (await this.#store.finish(trimToLimit(this.response, limits))) await this.#store.indexItems(this.response);
    } catch (error) {
      this.#log.error({ err: error, response: this.response.id }, "the end of a response could not be stored");
    }
  }

  /** A response that failed leaves its conversation as it was, so that the request can be sent again. Never rejects, as above. */
  async #addToConversation(): Promise<void> {
    const { organization, echo, input, output, containerId, placedFileIds, status } = this.response;
    if (echo.conversationId == null || status === "failed") return;
    try {
      const conversation = await this.#conversations.get(organization, echo.conversationId);
      if (conversation !== null) await this.#conversations.update({ ...conversation, containerId, placedFileIds }, [...input, ...output]);
    } catch (error) {
      this.#log.error({ err: error, response: this.response.id }, "a response could not be added to its conversation");
    }
  }

  #addEvent(event: ResponseEvent): void {
    this.#events.push(event);
    this.#wakeReaders();
    if (this.#store !== null) this.#storing = this.#storing.then(() => this.#storeEvents(this.#store as ResponseStore));
  }

  /** Stores all events since the last write in one write. */
  async #storeEvents(store: ResponseStore): Promise<void> {
    const events = this.#events.slice(this.#storedCount);
    if (events.length === 0) return;
    this.#storedCount = this.#events.length;
    const { organization, id } = this.response;
    await store.appendEvents(organization, id, events).catch((error: unknown) => {
      this.#log.warn({ err: error, response: id }, "events of a response could not be stored");
    });
  }

  #wakeReaders(): void {
    for (const wake of this.#waiters) wake();
  }

  #nextEvent(signal: AbortSignal): Promise<void> {
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

/** OpenAI's API has no event for a cancelled response; the status in the final event shows it. */
export function endEventOf({ status, dialect }: StoredResponse): "completed" | "failed" | "incomplete" | "cancelled" {
  if (status === "cancelled") return dialect === "openai" ? "incomplete" : "cancelled";
  return status === "completed" || status === "incomplete" ? status : "failed";
}

const abortFailures = {
  shutdown: { code: "process_lost", message: "The process that ran the response was stopped; send the request again." },
  timeout: { code: "response_timeout", message: "The response took longer than allowed." },
} as const;

function failureOfModel(error: ModelFailed): Failure {
  const { code, status, retryAfterMs } = error;
  return {
    code,
    message: modelMessage(error),
    ...(status === null ? {} : { refusedWith: status }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  };
}

function modelMessage(failure: ModelFailed): string {
  return failure.status === null ? modelFailures[failure.code] : `${modelFailures[failure.code]} (HTTP ${failure.status})`;
}

/** Drops the outputs of code from a response that is too large to store. Their executions still have them. */
export function trimToLimit(response: StoredResponse, limits: Limits): StoredResponse {
  if (isWithin(response, limits.responseBytesMax)) return response;
  return { ...response, output: response.output.map((item) => (item.type === "code_call" ? withFilesOnly(item) : item)) };
}

/** Measures item by item and stops early: all items together may exceed the maximum length of a string. */
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
