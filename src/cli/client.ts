import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SandboxPackages } from "../domain/packages.ts";
import type { Execution, ExecutionEvent } from "../domain/result.ts";
import { readServerEvents } from "../util/server-events.ts";
import { CliError, EXIT_SERVICE, type Service } from "./settings.ts";
import { sanitizeLine } from "./terminal.ts";

const RESUMES_MAX = 5;
const RESUME_WAIT_MS = 500;

/** The request body of the command line; the service validates it. */
export interface RunBody {
  code: string;
  files: Array<{ name: string; file_id: string }>;
  args: string[];
  env: Record<string, string>;
  stdin?: string;
  timeout_ms?: number;
  memory_mb?: number;
}

/** The parts of the service's API that the command line uses. Every failure is a CliError. */
export class Client {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Uploads a local file as a stream; resolves with its id. */
  async upload(path: string): Promise<string> {
    const boundary = `----${crypto.randomUUID()}`;
    const name = basename(path).replace(/["\\\r\n]/g, "_");
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    async function* body() {
      yield Buffer.from(head);
      yield* createReadStream(path);
      yield Buffer.from(`\r\n--${boundary}--\r\n`);
    }
    const response = await this.#request("/v1/files", {
      method: "POST",
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      body: body(),
      duplex: "half",
    });
    return ((await response.json()) as { id: string }).id;
  }

  /** Submits code and yields its events as they happen. Resumes the stream after a broken connection. */
  async *run(body: RunBody, onAccepted: (executionId: string) => void): AsyncGenerator<ExecutionEvent> {
    let response = await this.#request("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(body),
    });
    const path = response.headers.get("location") ?? "";
    onAccepted(path.split("/").pop() ?? "");
    let last = "";
    for (let resumes = 0; resumes <= RESUMES_MAX; resumes++) {
      try {
        for await (const event of eventsOf(response)) {
          last = event.id ?? last;
          const parsed = JSON.parse(event.data) as ExecutionEvent;
          yield parsed;
          if (parsed.type === "execution.ended") return;
          resumes = 0;
        }
      } catch (error) {
        if (error instanceof CliError || error instanceof SyntaxError) throw error;
      }
      await sleep(RESUME_WAIT_MS * 2 ** resumes);
      const headers: Record<string, string> = { accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) };
      response = await this.#request(`${path}/events`, { headers });
    }
    throw new CliError(`The connection keeps breaking; the execution continues as ${path}`, EXIT_SERVICE);
  }

  async cancel(executionId: string): Promise<void> {
    await this.#request(`/v1/executions/${executionId}/cancel`, { method: "POST" });
  }

  async get(executionId: string): Promise<Execution> {
    return (await (await this.#request(`/v1/executions/${executionId}`, {})).json()) as Execution;
  }

  /** A file's bytes as they arrive. */
  async content(fileId: string): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#request(`/v1/files/${encodeURIComponent(fileId)}/content`, {});
    return response.body as unknown as AsyncIterable<Uint8Array>;
  }

  /** The packages in the sandboxes. */
  async packages(): Promise<SandboxPackages> {
    return (await (await this.#request("/v1/packages", {})).json()) as SandboxPackages;
  }

  async #request(path: string, init: RequestInit & { duplex?: "half"; body?: unknown }): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#service.key}`, ...(init.headers as Record<string, string> | undefined) };
    let response: Response;
    try {
      response = await fetch(this.#service.url + path, { ...init, headers } as RequestInit);
    } catch (error) {
      throw unreachable(this.#service.url, error);
    }
    if (!response.ok) throw new CliError(await refusalText(response), EXIT_SERVICE);
    return response;
  }
}

export function unreachable(url: string, error: unknown): CliError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const reason = cause?.code ?? cause?.message ?? (error as Error).message;
  return new CliError(
    `No service answers at ${url} (${reason}). Start it with: npm start, or name another with --url or CODE_INTERPRETER_URL.`,
    EXIT_SERVICE,
  );
}

function eventsOf(response: Response): ReturnType<typeof readServerEvents> {
  return readServerEvents(response.body as unknown as AsyncIterable<Uint8Array>);
}

/** The reason that the service gives for its refusal. */
async function refusalText(response: Response): Promise<string> {
  const text = await response.text();
  let sentence = text.slice(0, 300);
  try {
    const body = JSON.parse(text) as { title?: string; detail?: string; error?: { message?: string } };
    sentence = body.detail ?? body.error?.message ?? body.title ?? sentence;
  } catch {
    // Not from the service, but for example a proxy's page. Show its beginning.
  }
  const wait = response.headers.get("retry-after");
  return `The service refuses (${response.status}): ${sanitizeLine(sentence)}${wait ? ` Retry in ${wait} s.` : ""}`;
}
