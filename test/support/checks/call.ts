import { once } from "node:events";
import { connect } from "node:net";
import { expectMatchesOpenApi } from "./openapi.ts";
import { expectSeconds } from "./times.ts";

export interface CallOptions {
  key?: string | undefined;
  /** An object is sent as JSON, anything else unchanged. */
  body?: unknown;
  headers?: Record<string, string>;
  /** The path as in the document, if it cannot be derived; null for calls that the document lacks. */
  as?: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

/** One HTTP call. Its response is checked against the OpenAPI document, and its times for their unit. */
export async function call(base: string, line: string, options: CallOptions = {}): Promise<Answer> {
  const [method = "", path = ""] = line.split(" ");
  const { body, key } = options;
  const plain = typeof body === "string" || body instanceof FormData || body instanceof Uint8Array || body === undefined;
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(plain ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: plain ? (body as string) : JSON.stringify(body) }),
  });
  const contentType = response.headers.get("content-type");
  const text = await response.text();
  const parsed: unknown = /json/.test(contentType ?? "") ? JSON.parse(text) : text;
  expectSeconds(parsed);
  const template = options.as === undefined ? templateOf(path) : options.as;
  if (template !== null) expectMatchesOpenApi(method, template, response.status, contentType, parsed);
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Sends raw bytes and returns the response up to the server's close. */
export async function callRaw(base: string, request: string): Promise<string> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  socket.end(request);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

/** `/v1/files/file_…/content?x` → `/v1/files/{id}/content`; null for paths outside the document. */
function templateOf(path: string): string | null {
  const bare = (path.split("?")[0] ?? "").replace(/^(\/v1\/(?:executions|files))\/[^/]+/, "$1/{id}");
  return /^\/v1\/(executions|files)(\/|$)/.test(bare) ? bare : null;
}

/** Splits a text/event-stream into its events. */
export function eventsOf(text: string): Array<{ id: string; event: string; data: { type: string } & Record<string, unknown> }> {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("id:"))
    .map((block) => {
      const line = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
      const data = JSON.parse(line("data"));
      expectSeconds(data);
      return { id: line("id"), event: line("event"), data };
    });
}
