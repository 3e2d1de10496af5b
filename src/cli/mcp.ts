import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { readServerEvents } from "../util/server-events.ts";
import { unreachable } from "./client.ts";
import type { Service } from "./settings.ts";
import { sanitizeLine } from "./terminal.ts";

/** JSON-RPC's error code for a failure of the server. */
const INTERNAL_ERROR = -32_603;

/**
 * MCP over standard input and output, for clients that start their servers. Forwards each message to the service's /mcp, so
 * tools, limits and texts come from the service. Resolves when the client closes its end.
 */
export function mcp(service: Service, transport: Transport = standardStreams()): Promise<void> {
  const relay = new Relay(service, transport);
  return new Promise((resolve, reject) => {
    transport.onclose = () => {
      relay.stop();
      resolve();
    };
    transport.onmessage = (message) => void relay.handle(message as Message);
    transport.start().catch(reject);
  });
}

/** Higher than the service's own bound, so that the service can refuse a message without ending this connection. */
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
  /** Protocol version and session from the reply to `initialize`; sent with each later request. */
  #sessionHeaders: Record<string, string> = {};

  constructor(service: Service, transport: Transport) {
    this.#service = service;
    this.#transport = transport;
  }

  /** Never rejects: failures are sent to the client. */
  async handle(message: Message): Promise<void> {
    const { id, method } = message;
    if (method === "notifications/cancelled" && message.params?.requestId !== undefined) {
      // The service cancels the call when its connection is closed.
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
      headers: { ...this.#sessionHeaders, ...headersOf(message), authorization: `Bearer ${this.#service.key}` },
      body: JSON.stringify(message),
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? error : unreachable(this.#service.url, error);
    });
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/event-stream")) {
      const chunks = response.body as unknown as AsyncIterable<Uint8Array>;
      for await (const event of readServerEvents(chunks)) await this.#reply(JSON.parse(event.data), message, response);
      return;
    }
    const text = await response.text();
    const reply = /^application\/json\b/.test(type) ? (JSON.parse(text) as Message & { jsonrpc?: unknown }) : null;
    if (reply?.jsonrpc === "2.0") await this.#reply(reply, message, response);
    else if (!response.ok) throw new Error(refusalText(response.status, text));
  }

  async #reply(reply: Message, request: Message, response: Response): Promise<void> {
    if (request.method === "initialize" && typeof reply.result?.protocolVersion === "string") {
      const session = response.headers.get("mcp-session-id");
      this.#sessionHeaders = {
        "mcp-protocol-version": reply.result.protocolVersion,
        ...(session === null ? {} : { "mcp-session-id": session }),
      };
    }
    await this.#transport.send(reply as JSONRPCMessage);
  }

  async #fail(id: Id, message: string): Promise<void> {
    await this.#transport.send({ jsonrpc: "2.0", id, error: { code: INTERNAL_ERROR, message } });
  }
}

/** Headers that streamable HTTP requires. In the 2026 protocol, every message contains its version. */
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

/** The protocol's encoding for names that a header cannot carry. */
function headerText(name: string): string {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(name) ? name : `=?base64?${Buffer.from(name).toString("base64")}?=`;
}

function refusalText(status: number, text: string): string {
  let sentence = text.slice(0, 300);
  try {
    sentence = (JSON.parse(text) as { detail?: string }).detail ?? sentence;
  } catch {
    // Not from the service, but for example a proxy's page.
  }
  return `The service refuses (${status}): ${sanitizeLine(sentence)}`;
}
