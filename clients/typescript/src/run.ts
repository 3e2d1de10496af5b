import type { Http } from "./http.ts";
import { pause } from "./http.ts";
import { CodeInterpreterError } from "./errors.ts";
import { readServerEvents } from "./server-events.ts";
import type { Execution, ExecutionEvent } from "./types.ts";

export type InputFile = string | Uint8Array | Blob | { fileId: string };
/** A function that the code may call. An error that it throws is raised in the code, with its message. */
// biome-ignore lint/suspicious/noExplicitAny: the schema of a function decides its arguments
export type ToolFunction = (args: any) => unknown;
export type File = { id: string; name: string; bytes: number };

export interface RunOptions {
  code: string;
  /** By name in the working folder: text, bytes, or a stored file. */
  files?: Record<string, InputFile>;
  args?: string[];
  stdin?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
  memoryMb?: number;
  metadata?: Record<string, string>;
  /** Functions that the code may call, by name, alone or with description and JSON Schema of the arguments. */
  tools?: Record<string, ToolFunction | { run: ToolFunction; description?: string; parameters?: Record<string, unknown> }>;
  toolTimeoutMs?: number;
  /** Labels of MCP servers of the operator. */
  mcpServers?: string[];
  /** Requests with the same key and body run once. A new one for each call by default. */
  idempotencyKey?: string;
  /** An abort cancels the execution. */
  signal?: AbortSignal;
}

const ENDED = new Set(["completed", "failed", "incomplete", "cancelled", "errored"]);
const RESUMES_MAX = 5;
const RESUME_MS = 500;

/** One execution, from its request to its end. */
export class Run {
  readonly #http: Http;
  readonly #options: RunOptions;
  readonly #key: string;
  readonly #container: string | undefined;
  readonly #calls = new Map<string, Promise<object>>();
  #body: string | null = null;
  #id: string | null = null;

  constructor(http: Http, options: RunOptions, container?: string) {
    this.#http = http;
    this.#options = options;
    this.#container = container;
    this.#key = options.idempotencyKey ?? crypto.randomUUID();
  }

  /** Answers calls of tools and resolves with the ended execution. */
  async toEnd(): Promise<Execution> {
    return this.#cancelledOnAbort(async () => {
      let execution = await this.#submit<Execution>({});
      while (!ENDED.has(execution.status)) {
        this.#id = execution.id;
        const pending = execution.pending_calls ?? [];
        // A long execution outlasts one wait: the same request waits again.
        execution = pending.length === 0 ? await this.#submit<Execution>({}) : await this.#answer(pending, {});
      }
      return execution;
    });
  }

  /** Yields the events as they happen and answers calls of tools. Goes on where it was when a connection breaks. */
  async *events(): AsyncGenerator<ExecutionEvent> {
    let last: string | null = null;
    let ended = false;
    try {
      for (let failures = 0; failures <= RESUMES_MAX; failures++) {
        try {
          const response = await this.#open(last);
          for await (const { id, data } of readServerEvents(response.body as ReadableStream<Uint8Array>)) {
            const event = JSON.parse(data) as ExecutionEvent;
            last = id ?? last;
            failures = 0;
            if (event.type === "execution.tool_call" && event.arguments !== null && event.name in (this.#options.tools ?? {})) {
              void this.#answer([{ ...event, arguments: event.arguments }], { prefer: "respond-async" }).catch(() => undefined);
            }
            ended = event.type === "execution.ended";
            yield event;
            if (ended) return;
          }
        } catch (error) {
          this.#options.signal?.throwIfAborted();
          if (error instanceof CodeInterpreterError && error.status !== 0) throw error;
        }
        await pause(RESUME_MS * 2 ** failures, this.#options.signal);
      }
      throw new CodeInterpreterError("The connection keeps breaking; the execution goes on", { code: "unreachable", status: 0 });
    } finally {
      if (!ended && this.#options.signal?.aborted) await this.#cancel();
    }
  }

  async #open(last: string | null): Promise<Response> {
    const { signal } = this.#options;
    if (this.#id !== null && last !== null) {
      const headers = { accept: "text/event-stream", "last-event-id": last };
      return this.#http.send(`/v1/executions/${this.#id}/events`, { headers, signal, repeatable: true });
    }
    const response = await this.#post({ accept: "text/event-stream" }, signal);
    this.#id = response.headers.get("location")?.split("/").pop() ?? null;
    return response;
  }

  async #submit<T>(headers: Record<string, string>): Promise<T> {
    return (await (await this.#post(headers, this.#options.signal)).json()) as T;
  }

  async #post(headers: Record<string, string>, signal: AbortSignal | undefined): Promise<Response> {
    this.#body ??= JSON.stringify(await bodyOf(this.#options, this.#container));
    const all = { "content-type": "application/json", "idempotency-key": this.#key, ...headers };
    return this.#http.send("/v1/executions", { method: "POST", headers: all, body: this.#body, signal, repeatable: true });
  }

  /** Starts the functions that are called, and sends the outputs of those that have ended. The service takes an output once. */
  async #answer(pending: NonNullable<Execution["pending_calls"]>, headers: Record<string, string>): Promise<Execution> {
    for (const call of pending) if (!this.#calls.has(call.call_id)) this.#calls.set(call.call_id, this.#make(call));
    const ended: object[] = [];
    const waiting = pending.map(async ({ call_id: id }) => {
      ended.push((await this.#calls.get(id)) as object);
    });
    await Promise.race([...waiting, aborted(this.#options.signal)]);
    const all = { "content-type": "application/json", ...headers };
    const request = { headers: all, body: JSON.stringify({ outputs: ended }), signal: this.#options.signal, repeatable: true };
    try {
      return await this.#http.json<Execution>(`/v1/executions/${this.#id}/tool_outputs`, { method: "POST", ...request });
    } catch (error) {
      // A function took longer than its call waits, so the code has an error. The others are asked for again.
      if (!(error instanceof CodeInterpreterError) || error.code !== "tool_call_not_waiting") throw error;
      return this.#submit<Execution>(headers);
    }
  }

  async #make({ call_id, name, arguments: args }: { call_id: string; name: string; arguments: object }): Promise<object> {
    const tool = this.#options.tools?.[name];
    const run = typeof tool === "function" ? tool : tool?.run;
    try {
      if (run === undefined) return { call_id, error: `there is no function ${name}` };
      const output = (await run(args)) ?? null;
      // Throws for a value that JSON cannot hold, which is then the code's error.
      JSON.stringify(output);
      return { call_id, output };
    } catch (error) {
      return { call_id, error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #cancelledOnAbort<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#options.signal?.aborted) await this.#cancel();
      throw error;
    }
  }

  /** A request that was aborted has told no id. The same request, without waiting, does. */
  async #cancel(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(10_000);
      this.#id ??= ((await (await this.#post({ prefer: "respond-async" }, signal)).json()) as Execution).id;
      await this.#http.send(`/v1/executions/${this.#id}/cancel`, { method: "POST", signal, repeatable: true });
    } catch {
      // It then runs to its own time limit.
    }
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}

async function bodyOf(options: RunOptions, container: string | undefined): Promise<object> {
  const { code, args, stdin, env, timeoutMs, memoryMb, metadata, toolTimeoutMs, mcpServers } = options;
  const files = await Promise.all(Object.entries(options.files ?? {}).map(([name, file]) => inputFile(name, file)));
  const tools = Object.entries(options.tools ?? {}).map(([name, tool]) => {
    const { description, parameters } = typeof tool === "function" ? {} : tool;
    return { type: "function", name, description, parameters };
  });
  return {
    ...{ code, container, args, stdin, env, metadata, timeout_ms: timeoutMs, memory_mb: memoryMb },
    ...(files.length === 0 ? {} : { files }),
    ...(tools.length === 0 ? {} : { tools }),
    ...{ tool_timeout_ms: toolTimeoutMs, mcp_servers: mcpServers },
  };
}

async function inputFile(name: string, file: InputFile): Promise<object> {
  if (typeof file === "string") return { name, text: file };
  if (file instanceof Uint8Array) return { name, base64: base64Of(file) };
  if (file instanceof Blob) return { name, base64: base64Of(new Uint8Array(await file.arrayBuffer())) };
  return { name, file_id: file.fileId };
}

const CHUNK = 0x8000;

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}
