import http from "node:http";
import type { Execution } from "../../src/domain/result.ts";

/** A response after this time counts as failed. */
const ANSWER_MS_MAX = 120_000;

export interface Answer {
  status: number;
  body: Buffer;
}

/** Calls the API over keep-alive connections with minimal overhead. */
export class Client {
  readonly #url: URL;
  readonly #key: string;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

  constructor(url: string, key: string) {
    this.#url = new URL(url);
    this.#key = key;
  }

  /** Runs code and waits for its end. Rejects unless it completed. */
  async run(code: string, more: object = {}): Promise<Execution> {
    const answer = await this.call("POST", "/v1/executions", JSON.stringify({ code, ...more }));
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}`);
    const execution = JSON.parse(answer.body.toString("utf8")) as Execution;
    if (execution.status !== "completed") throw new Error(`an execution ended ${execution.status} (${execution.cause ?? "no cause"})`);
    return execution;
  }

  /** Queues code without waiting; returns the HTTP status. */
  async enqueue(code: string): Promise<number> {
    return (await this.call("POST", "/v1/executions", JSON.stringify({ code }), { prefer: "respond-async" })).status;
  }

  call(method: string, path: string, body = "", headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          agent: this.#agent,
          host: this.#url.hostname,
          port: this.#url.port,
          method,
          path,
          headers: {
            authorization: `Bearer ${this.#key}`,
            ...(body.length > 0 ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {}),
            ...headers,
          },
          timeout: ANSWER_MS_MAX,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
          response.on("error", reject);
        },
      );
      request.on("timeout", () => request.destroy(new Error("no answer in time")));
      request.on("error", reject);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
