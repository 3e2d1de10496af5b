import { setTimeout as delay } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { ChatChunks } from "./chat-chunks.ts";
import { type Model, type ModelEvent, ModelFailed, type ModelRequest } from "./model.ts";
import { readServerEvents } from "./server-events.ts";

export interface ModelClientOptions {
  /** Base of the chat-completions API, with its version. */
  baseUrl: string;
  apiKey: string | undefined;
  tokensField: "max_tokens" | "max_completion_tokens";
  limits: Limits;
  metrics: Metrics;
}

const RETRY_FIRST_MS = 500;

/**
 * Any server of the chat-completions protocol, by fetch. Bounded in time (first byte, idle, whole call), bytes and retries; a call is
 * repeated only while nothing of its answer was passed on.
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
        // What breaks off after its beginning is a broken answer, whoever cut it.
        if (begun && failure.code === "model_unavailable") throw new ModelFailed("model_broken_answer");
        if (begun || attempt >= modelRetriesMax || !isTransient(failure)) throw failure;
        await this.#wait(attempt, failure, whole).catch(() => {
          signal.throwIfAborted();
          throw failure;
        });
      }
    }
  }

  async *#attempt(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const { limits } = this.#options;
    const watch = new Watch(signal);
    try {
      const response = await watch.within(limits.modelFirstByteTimeoutMsMax, () => this.#post(request, watch.signal));
      if (!response.ok || response.body === null) throw await refusalOf(response);
      const chunks = watched(response.body, watch, limits);
      const turn = new ChatChunks();
      if (/^application\/json\b/i.test(response.headers.get("content-type") ?? "")) {
        yield* turn.push(await wholeText(chunks, limits.modelAnswerBytesMax));
      } else {
        for await (const data of readServerEvents(chunks, {
          lineBytesMax: limits.modelLineBytesMax,
          bytesMax: limits.modelAnswerBytesMax,
        })) {
          if (data.trim() === "[DONE]") break;
          yield* turn.push(data);
        }
      }
      yield turn.end();
    } finally {
      watch.end();
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

  /** Waits as the server asks, or ever longer; rejects at once with a wait that is beyond the bound. */
  async #wait(attempt: number, failure: ModelFailed, signal: AbortSignal): Promise<void> {
    const ms = failure.retryAfterMs ?? RETRY_FIRST_MS * 2 ** attempt * (0.75 + Math.random() / 2);
    if (ms > this.#options.limits.modelRetryWaitMsMax) throw failure;
    await delay(ms, undefined, { signal });
  }
}

/**
 * One attempt's clock: runs only while we wait for the server, not while the server waits for us. It lets go of what it waits
 * for by itself, as a fetch whose answer has begun does not always hear of its signal any more.
 */
class Watch {
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
    let letGo: () => void = () => undefined;
    const aborted = new Promise<never>((_, reject) => {
      letGo = () => reject(this.signal.reason as Error);
    });
    this.signal.addEventListener("abort", letGo, { once: true });
    try {
      this.signal.throwIfAborted();
      return await Promise.race([wait(), aborted]);
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener("abort", letGo);
    }
  }

  /** Closes the connection, whatever is left on it. */
  end(): void {
    this.#outer.removeEventListener("abort", this.#follow);
    this.#controller.abort(new ModelFailed("model_broken_answer"));
  }
}

async function* watched(body: ReadableStream<Uint8Array>, watch: Watch, limits: Limits): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let ms = limits.modelFirstByteTimeoutMsMax;
  try {
    for (;;) {
      const { done, value } = await watch.within(ms, () => reader.read());
      if (done) return;
      ms = limits.modelIdleTimeoutMsMax;
      yield value;
    }
  } finally {
    // What is left on the connection is of no use; that it can not be cancelled says that it has ended.
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

async function refusalOf(response: Response): Promise<ModelFailed> {
  await response.body?.cancel().catch(() => {});
  const { status } = response;
  const retryAfterMs = retryAfterOf(response.headers);
  if (status === 429) return new ModelFailed("model_rate_limited", { status, retryAfterMs });
  if (status === 408 || status >= 500) return new ModelFailed("model_unavailable", { status, retryAfterMs });
  return new ModelFailed("model_refused", { status });
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

/** What fetch throws may quote headers, so nothing of it is kept. */
function failureOf(error: unknown): ModelFailed {
  return error instanceof ModelFailed ? error : new ModelFailed("model_unavailable");
}

function isTransient(failure: ModelFailed): boolean {
  return failure.code !== "model_refused" && failure.code !== "model_timeout";
}
