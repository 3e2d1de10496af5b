import { setTimeout as delay } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { orAborted } from "../../util/race.ts";
import { readServerEvents, ServerEventsTooLarge } from "../../util/server-events.ts";
import { ChatChunks } from "./chat-chunks.ts";
import { failureOfBody } from "./failure-of-body.ts";
import { type Model, type ModelEvent, ModelFailed, type ModelRequest } from "./model.ts";

export interface ModelClientOptions {
  /** Base of the chat-completions API, with its version. */
  baseUrl: string;
  apiKey: string | undefined;
  tokensField: "max_tokens" | "max_completion_tokens";
  limits: Limits;
  metrics: Metrics;
}

const RETRY_FIRST_MS = 500;
const ERROR_BYTES_MAX = 64 * 1024;

/**
 * Client for servers of the chat-completions protocol. Bounds time (first byte, idle, whole call), bytes and retries. Retries a call
 * only before any part of its answer was passed on.
 */
export class ModelClient implements Model {
  readonly #options: ModelClientOptions;
  readonly #url: string;

  constructor(options: ModelClientOptions) {
    this.#options = options;
    this.#url = `${options.baseUrl.replace(/\/+$/, "")}/chat/completions`;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const { modelCallTimeoutMsMax } = this.#options.limits;
    const { signal: whole, clear } = deadlineAfter(modelCallTimeoutMsMax, signal);
    try {
      yield* this.#attempts(request, signal, whole);
    } finally {
      clear();
    }
  }

  async *#attempts(request: ModelRequest, signal: AbortSignal, whole: AbortSignal): AsyncGenerator<ModelEvent> {
    const { modelRetriesMax } = this.#options.limits;
    const called = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      let begun = false;
      try {
        for await (const event of this.#attempt(request, whole)) {
          if (!begun) this.#options.metrics.modelFirstByte.observe((performance.now() - called) / 1000);
          begun = true;
          yield event;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        const failure = whole.aborted ? new ModelFailed("model_timeout") : failureOf(error);
        // An answer that ends after it has begun is broken, regardless of the cause.
        if (begun && failure.code === "model_unavailable") throw new ModelFailed("model_broken_answer");
        if (begun || attempt >= modelRetriesMax || !isTransient(failure)) throw failure;
        await this.#backOff(attempt, failure, whole).catch(() => {
          signal.throwIfAborted();
          throw failure;
        });
      }
    }
  }

  async *#attempt(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const { limits } = this.#options;
    const timeout = new AttemptTimeout(signal);
    try {
      const response = await timeout.within(limits.modelFirstByteTimeoutMsMax, () => this.#post(request, timeout.signal));
      if (!response.ok || response.body === null) throw await refusalOf(response, timeout, limits);
      const chunks = readChunks(response.body, timeout, limits);
      const turn = new ChatChunks(new Set(request.tools.map((tool) => tool.function.name)));
      let isDone = false;
      if (/^application\/json\b/i.test(response.headers.get("content-type") ?? "")) {
        yield* turn.push(await wholeText(chunks, limits.modelAnswerBytesMax));
      } else {
        const bounds = { eventCharsMax: limits.modelLineBytesMax, bytesMax: limits.modelAnswerBytesMax };
        for await (const { data } of readServerEvents(chunks, { ...bounds, takeUnfinished: true })) {
          isDone = data.trim() === "[DONE]";
          if (isDone) break;
          yield* turn.push(data);
        }
      }
      yield* turn.end(isDone);
    } finally {
      timeout.end();
    }
  }

  #post(request: ModelRequest, signal: AbortSignal): Promise<Response> {
    const { apiKey, tokensField } = this.#options;
    const tools = request.tools.length === 0 ? {} : { tools: request.tools, tool_choice: request.toolChoice };
    return fetch(this.#url, {
      method: "POST",
      // A redirect could carry the conversation elsewhere.
      redirect: "error",
      headers: {
        "content-type": "application/json",
        accept: "text/event-stream",
        ...(apiKey === undefined || apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        ...request.passed,
        model: request.model,
        messages: request.messages,
        ...tools,
        [tokensField]: request.tokensMax,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal,
    });
  }

  /** Waits as long as the server asks, else with exponential backoff. Rejects immediately when the wait exceeds the bound. */
  async #backOff(attempt: number, failure: ModelFailed, signal: AbortSignal): Promise<void> {
    const ms = failure.retryAfterMs ?? RETRY_FIRST_MS * 2 ** attempt * (0.75 + Math.random() / 2);
    if (ms > this.#options.limits.modelRetryWaitMsMax) throw failure;
    await delay(ms, undefined, { signal });
  }
}

/**
 * Timeout of one attempt. It runs only while we wait for the server, not while the server waits for us. It races each wait itself,
 * because a fetch whose answer has begun does not always react to its signal.
 */
class AttemptTimeout {
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #follow = () => this.#controller.abort(this.#outer.reason);

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#follow();
    else outer.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async within<T>(ms: number, wait: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#controller.abort(new ModelFailed("model_timeout")), ms);
    try {
      this.signal.throwIfAborted();
      return await orAborted(wait(), this.signal);
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection, even with unread data on it. */
  end(): void {
    this.#outer.removeEventListener("abort", this.#follow);
    this.#controller.abort(new ModelFailed("model_broken_answer"));
  }
}

async function* readChunks(body: ReadableStream<Uint8Array>, timeout: AttemptTimeout, limits: Limits): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let ms = limits.modelFirstByteTimeoutMsMax;
  try {
    for (;;) {
      const { done, value } = await timeout.within(ms, () => reader.read());
      if (done) return;
      ms = limits.modelIdleTimeoutMsMax;
      yield value;
    }
  } finally {
    // The rest is not needed. Cancelling fails when the stream has already ended.
    reader.cancel().catch(() => undefined);
  }
}

async function wholeText(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new ModelFailed("model_broken_answer");
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

async function refusalOf(response: Response, timeout: AttemptTimeout, limits: Limits): Promise<ModelFailed> {
  const { status } = response;
  const isOfRequest = status === 400 || status === 413 || status === 422;
  const known = isOfRequest ? failureOfBody(await errorBody(response, timeout, limits), status) : null;
  if (known !== null) return known;
  await response.body?.cancel().catch(() => {});
  const retryAfterMs = retryAfterOf(response.headers);
  if (status === 429) return new ModelFailed("model_rate_limited", { status, retryAfterMs });
  if (status === 408 || status >= 500) return new ModelFailed("model_unavailable", { status, retryAfterMs });
  return new ModelFailed("model_refused", { status });
}

/** The body of an error, for its code; null when it cannot be read. */
async function errorBody({ body }: Response, timeout: AttemptTimeout, limits: Limits): Promise<unknown> {
  if (body === null) return null;
  try {
    return JSON.parse(await wholeText(readChunks(body, timeout, limits), ERROR_BYTES_MAX));
  } catch {
    return null;
  }
}

function retryAfterOf(headers: Headers): number | null {
  const exact = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (exact >= 0) return exact;
  const text = headers.get("retry-after");
  if (text === null) return null;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** Drops the original error, because errors of fetch may quote headers. */
function failureOf(error: unknown): ModelFailed {
  if (error instanceof ServerEventsTooLarge) return new ModelFailed("model_broken_answer");
  return error instanceof ModelFailed ? error : new ModelFailed("model_unavailable");
}

function isTransient(failure: ModelFailed): boolean {
  return failure.code !== "model_refused" && failure.code !== "model_timeout" && failure.code !== "context_length_exceeded";
}
