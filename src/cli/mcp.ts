import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { unreachable } from "./client.ts";
import { serverEvents } from "./server-events.ts";
import type { Service } from "./settings.ts";
import { harmlessLine } from "./terminal.ts";

/** JSON-RPC's code for a failure of the one who answers. */
const INTERNAL_ERROR = -32_603;

/**
 * MCP over standard input and output for clients that start their servers: each message goes to the service's own
 * /mcp, so that tools, limits and texts are the service's. Resolves when the client has closed its end.
 */
export function mcp(service: Service, transport: Transport = standardStreams()): Promise<void> {
  const relay = new Relay(service, transport);
  return new Promise((resolve, reject) => {
    transport.onclose = () => {
      relay.stop();
      resolve();
    };
    transport.onmessage = (message) => void relay.take(message as Message);
    transport.start().catch(reject);
  });
}

/** The service bounds a message and says so; here it must only not end the connection. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

function standardStreams(): Transport {
  return new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MESSAGE_BYTES_MAX });
}

type Id = string | number;
interface Message {
  id?: Id;
  method?: string;
  params?: { name?: unknown; uri?: unknown; requestId?: Id; protocolVersion?: unknown; _meta?: Record<string, unknown> };
  result?: { protocolVersion?: unknown };
}

class Relay {
  readonly #service: Service;
  readonly #transport: Transport;
  readonly #running = new Map<Id, AbortController>();
  /** What the service answered to `initialize`, and has to be told again with each request. */
  #agreed: Record<string, string> = {};

  constructor(service: Service, transport: Transport) {
    this.#service = service;
    this.#transport = transport;
  }

  /** Never rejects: what fails is told to the client. */
  async take(message: Message): Promise<void> {
    const { id, method } = message;
    if (method === "notifications/cancelled" && message.params?.requestId !== undefined) {
      // The service cancels what runs for a connection that breaks.
      this.#running.get(message.params.requestId)?.abort();
      return;
    }
    const controller = new AbortController();
    if (id !== undefined) this.#running.set(id, controller);
    try {
      await this.#forward(message, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted && id !== undefined) await this.#fail(id, (error as Error).message);
    } finally {
      if (id !== undefined) this.#running.delete(id);
    }
  }

  stop(): void {
    for (const controller of this.#running.values()) controller.abort();
  }

  async #forward(message: Message, signal: AbortSignal): Promise<void> {
    const response = await fetch(`${this.#service.url}/mcp`, {
      method: "POST",
      headers: { ...this.#agreed, ...headersOf(message), authorization: `Bearer ${this.#service.key}` },
      body: JSON.stringify(message),
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? error : unreachable(this.#service.url, error);
    });
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/event-stream")) {
      const chunks = response.body as unknown as AsyncIterable<Uint8Array>;
      for await (const event of serverEvents(chunks)) await this.#answer(JSON.parse(event.data), message, response);
      return;
    }
    const text = await response.text();
    const answer = /^application\/json\b/.test(type) ? (JSON.parse(text) as Message & { jsonrpc?: unknown }) : null;
    if (answer?.jsonrpc === "2.0") await this.#answer(answer, message, response);
    else if (!response.ok) throw new Error(refusal(response.status, text));
  }

  async #answer(answer: Message, asked: Message, response: Response): Promise<void> {
    if (asked.method === "initialize" && typeof answer.result?.protocolVersion === "string") {
      const session = response.headers.get("mcp-session-id");
      this.#agreed = {
        "mcp-protocol-version": answer.result.protocolVersion,
        ...(session === null ? {} : { "mcp-session-id": session }),
      };
    }
    await this.#transport.send(answer as JSONRPCMessage);
  }

  async #fail(id: Id, message: string): Promise<void> {
    await this.#transport.send({ jsonrpc: "2.0", id, error: { code: INTERNAL_ERROR, message } });
  }
}

/** What streamable HTTP wants in headers; of the 2026 protocol, every message says its version itself. */
function headersOf({ method, params }: Message): Record<string, string> {
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const version = params?._meta?.["io.modelcontextprotocol/protocolVersion"];
  if (typeof version !== "string" || method === undefined) return headers;
  const name = params?.name ?? params?.uri;
  return {
    ...headers,
    "mcp-protocol-version": version,
    "mcp-method": method,
    ...(typeof name === "string" ? { "mcp-name": headerText(name) } : {}),
  };
}

/** As the protocol has names that a header can not carry. */
function headerText(name: string): string {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(name) ? name : `=?base64?${Buffer.from(name).toString("base64")}?=`;
}

function refusal(status: number, text: string): string {
  let sentence = text.slice(0, 300);
  try {
    sentence = (JSON.parse(text) as { detail?: string }).detail ?? sentence;
  } catch {
    // Not the service's: a proxy's page, say.
  }
  return `The service refuses (${status}): ${harmlessLine(sentence)}`;
}
