import { CodeInterpreterError, errorOf } from "./errors.ts";

export const VERSION = "0.1.0";
const TRIES = 5;
const PAUSE_MS = 500;
const PAUSE_MS_MAX = 30_000;

export interface Request {
  method?: "GET" | "POST" | "DELETE";
  headers?: Record<string, string>;
  body?: NonNullable<RequestInit["body"]> | undefined;
  signal?: AbortSignal | undefined;
  /** Sending it twice does what sending it once does. Otherwise only a refusal (429, 503) is retried. */
  repeatable: boolean;
}

/** Requests to one service. Retries what has no effects twice, with the pauses that the service asks for. */
export class Http {
  readonly #baseUrl: string;
  readonly #apiKey: string;
  readonly #fetch: typeof fetch;

  constructor(options: { baseUrl: string; apiKey: string; fetch?: typeof fetch | undefined }) {
    this.#baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.#apiKey = options.apiKey;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** Rejects with CodeInterpreterError, or with the reason of `signal`. */
  async send(path: string, { repeatable, ...init }: Request): Promise<Response> {
    for (let turn = 1; ; turn++) {
      const error = await this.#try(path, init);
      if (error instanceof Response) return error;
      const isRefused = error.retryAfter !== null && (error.status === 429 || error.status === 503);
      const mayRetry = isRefused || (repeatable && (error.status === 0 || error.status >= 502));
      if (!mayRetry || turn === TRIES) throw error;
      await pause(error.retryAfter === null ? PAUSE_MS * 2 ** turn : error.retryAfter * 1_000, init.signal);
    }
  }

  async json<T>(path: string, request: Request): Promise<T> {
    return (await (await this.send(path, request)).json()) as T;
  }

  async #try(path: string, { headers, ...init }: Omit<Request, "repeatable">): Promise<Response | CodeInterpreterError> {
    // Browsers do not let a page set its user agent.
    const agent: Record<string, string> = "document" in globalThis ? {} : { "user-agent": `code-interpreter-client/${VERSION}` };
    try {
      const response = await this.#fetch(this.#baseUrl + path, {
        ...init,
        signal: init.signal ?? null,
        body: init.body ?? null,
        headers: { authorization: `Bearer ${this.#apiKey}`, ...agent, ...headers },
      });
      return response.ok ? response : await errorOf(response);
    } catch (cause) {
      init.signal?.throwIfAborted();
      return new CodeInterpreterError(`No answer from ${this.#baseUrl}`, { code: "unreachable", status: 0, cause });
    }
  }
}

/** Rejects with the reason of `signal` when it aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, Math.min(ms, PAUSE_MS_MAX));
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
