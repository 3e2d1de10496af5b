import { Http } from "./http.ts";
import { Result } from "./result.ts";
import { type File, Run, type RunOptions } from "./run.ts";
import type { ExecutionEvent } from "./types.ts";

export interface CodeInterpreterOptions {
  /** Address of the service, such as `https://code.example.com`. */
  baseUrl: string;
  apiKey: string;
  /** Replaces the platform's own. */
  fetch?: typeof fetch;
}

interface SessionOptions {
  name?: string;
  memoryLimit?: string;
  /** An expired session whose files are restored. */
  restoreFrom?: string;
  signal?: AbortSignal;
}

/** A code-interpreter service, for one API key. */
export class CodeInterpreter {
  readonly #http: Http;

  constructor(options: CodeInterpreterOptions) {
    this.#http = new Http(options);
  }

  /** Runs code in a fresh sandbox, to its end. */
  async run(options: RunOptions): Promise<Result> {
    return new Result(await new Run(this.#http, options).toEnd(), this.#http);
  }

  /** Runs code and yields its events as they happen. */
  stream(options: RunOptions): AsyncGenerator<ExecutionEvent> {
    return new Run(this.#http, options).events();
  }

  /** Opens a session, which keeps variables and files from one run to the next. */
  async session({ name, memoryLimit, restoreFrom, signal }: SessionOptions = {}): Promise<Session> {
    const body = JSON.stringify({ name, memory_limit: memoryLimit, restore_from: restoreFrom });
    const headers = { "content-type": "application/json" };
    const made = await this.#http.json<{ id: string }>("/v1/containers", { method: "POST", headers, body, signal, repeatable: false });
    return new Session(made.id, this.#http);
  }

  /** A session that exists. */
  sessionOf(id: string): Session {
    return new Session(id, this.#http);
  }

  async upload(name: string, content: Blob | Uint8Array | string): Promise<File> {
    const form = new FormData();
    // A Blob takes both; the platforms' types differ in which arrays of bytes.
    form.append("file", content instanceof Blob ? content : new Blob([content as string]), name);
    const stored = await this.#http.json<{ id: string; filename: string; bytes: number }>("/v1/files", {
      ...{ method: "POST", body: form, repeatable: false },
    });
    return { id: stored.id, name: stored.filename, bytes: stored.bytes };
  }

  async download(fileId: string): Promise<Uint8Array> {
    const response = await this.#http.send(`/v1/files/${encodeURIComponent(fileId)}/content`, { repeatable: true });
    return new Uint8Array(await response.arrayBuffer());
  }
}

/** A sandbox that is kept. `await using` ends it. */
export class Session implements AsyncDisposable {
  readonly id: string;
  readonly #http: Http;

  constructor(id: string, http: Http) {
    this.id = id;
    this.#http = http;
  }

  async run(options: string | RunOptions): Promise<Result> {
    return new Result(await this.#of(options).toEnd(), this.#http);
  }

  stream(options: string | RunOptions): AsyncGenerator<ExecutionEvent> {
    return this.#of(options).events();
  }

  async close(): Promise<void> {
    await this.#http.send(`/v1/containers/${this.id}`, { method: "DELETE", repeatable: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #of(options: string | RunOptions): Run {
    return new Run(this.#http, typeof options === "string" ? { code: options } : options, this.id);
  }
}
