import { AsyncLocalStorage } from "node:async_hooks";
import {
  type CallToolResult,
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type Tool,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Limits } from "../domain/limits.ts";
import { deadlineAfter } from "../util/deadline.ts";
import { orAborted } from "../util/race.ts";
import type { ServerSettings } from "./settings.ts";

/** Why a server gave no usable answer. `refused`: it answered with an error of the protocol, whose message is for the code. */
export type Trouble = "unreachable" | "slow" | "too_large" | "broken" | "refused";

export class ServerTrouble extends Error {
  override name = "ServerTrouble";
  readonly trouble: Trouble;

  constructor(trouble: Trouble, message: string) {
    super(message);
    this.trouble = trouble;
  }
}

/** A message of the protocol around an answer. */
const ENVELOPE_BYTES = 64 * 1024;
/** A list of tools may be larger than an answer. */
const MESSAGE_BYTES_MIN = 8 * 1024 * 1024;
const PAGES_MAX = 32;

/** Aborts the request that a response belongs to. */
const requests = new AsyncLocalStorage<AbortController>();

/** The connection to one MCP server. It is opened when needed, and opened anew after it broke. */
export class ServerConnection {
  readonly #settings: ServerSettings;
  readonly #bytesMax: number;
  readonly #openMs: number;
  #client: Promise<Client> | null = null;
  #closed = false;

  constructor(settings: ServerSettings, limits: Limits) {
    this.#settings = settings;
    this.#bytesMax = Math.max(limits.toolValueBytesMax + ENVELOPE_BYTES, MESSAGE_BYTES_MIN);
    this.#openMs = limits.toolServerListMsMax;
  }

  /** All tools of the server. Rejects with ServerTrouble. */
  list(signal: AbortSignal): Promise<Tool[]> {
    return this.#request(signal, async (client, options) => {
      const tools: Tool[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const listed = await client.request({ method: "tools/list", params: cursor === undefined ? {} : { cursor } }, options);
        tools.push(...listed.tools);
        cursor = listed.nextCursor;
        if (cursor === undefined) break;
      }
      return tools;
    });
  }

  /** Calls a tool once: a call may have effects. Rejects with ServerTrouble. */
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<CallToolResult> {
    return this.#request(signal, (client, options) =>
      client.request({ method: "tools/call", params: { name: tool, arguments: args } }, options),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#drop();
  }

  async #request<T>(
    signal: AbortSignal,
    send: (client: Client, options: { signal: AbortSignal; timeout: number }) => Promise<T>,
  ): Promise<T> {
    const abort = new AbortController();
    const follow = () => abort.abort(signal.reason);
    signal.addEventListener("abort", follow, { once: true });
    if (signal.aborted) follow();
    // The signal bounds the time; the package's own timeout would end a slow call earlier.
    const options = { signal: abort.signal, timeout: 2 ** 31 - 1 };
    try {
      // A server that was restarted does not know the session any more, and has not worked on the request.
      for (let isSecond = false; ; isSecond = true) {
        const client = await orAborted(this.#open(), abort.signal);
        try {
          return await orAborted(
            requests.run(abort, () => send(client, options)),
            abort.signal,
          );
        } catch (error) {
          const isForgotten = error instanceof SdkHttpError && error.status === 404;
          if (isBroken(error)) await this.#drop(client);
          if (isSecond || !isForgotten) throw error;
        }
      }
    } catch (error) {
      throw troubleOf(abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      signal.removeEventListener("abort", follow);
    }
  }

  /** One connection for all requests of this process. */
  #open(): Promise<Client> {
    if (this.#closed) return Promise.reject(new ServerTrouble("unreachable", "the server is not in use any more"));
    if (this.#client !== null) return this.#client;
    const opening = this.#connect();
    this.#client = opening;
    opening.catch(() => {
      if (this.#client === opening) this.#client = null;
    });
    return opening;
  }

  async #connect(): Promise<Client> {
    const client = new Client({ name: "code-interpreter", version: "1" });
    client.onerror = () => undefined;
    const deadline = deadlineAfter(this.#openMs, new AbortController().signal);
    const transport = this.#transport();
    try {
      // What a response brings is bounded by the request that it belongs to, and this one has its own.
      const abort = new AbortController();
      await orAborted(
        requests.run(abort, () => client.connect(transport, { timeout: this.#openMs })),
        deadline.signal,
      );
    } catch (error) {
      client.close().catch(() => undefined);
      throw error;
    } finally {
      deadline.clear();
    }
    client.onclose = () => void this.#drop(client);
    return client;
  }

  #transport() {
    const { address } = this.#settings;
    if ("command" in address) {
      const { command, args, env } = address;
      return new StdioClientTransport({ command, args, env, stderr: "ignore", maxBufferSize: this.#bytesMax });
    }
    const reconnectionOptions = {
      maxRetries: 0,
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 1_000,
      reconnectionDelayGrowFactor: 1,
    };
    return new StreamableHTTPClientTransport(new URL(address.url), {
      requestInit: { headers: address.headers, redirect: "error" },
      fetch: (url, init) => this.#fetch(url, init),
      reconnectionOptions,
    });
  }

  /** A response that is longer than an answer may be ends its request, and no other. */
  async #fetch(url: string | URL, init?: RequestInit): Promise<Response> {
    // The stream for messages that belong to no request: the service has no use for them.
    if (init?.method === "GET") return new Response(null, { status: 405 });
    const request = requests.getStore();
    const response = await fetch(url, init);
    if (response.body === null) return response;
    let left = this.#bytesMax;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, stream) {
        left -= chunk.byteLength;
        if (left >= 0) return stream.enqueue(chunk);
        const tooLarge = new ServerTrouble("too_large", "the server's answer is too large");
        request?.abort(tooLarge);
        stream.error(tooLarge);
      },
    });
    return new Response(response.body.pipeThrough(counted), response);
  }

  /** Closes the connection, if `client` is still the current one. */
  async #drop(client?: Client): Promise<void> {
    const current = this.#client;
    if (current === null) return;
    const open = await current.catch(() => null);
    if (this.#client !== current || (client !== undefined && open !== client)) return;
    this.#client = null;
    await open?.close().catch(() => undefined);
  }
}

/** Whether the connection is of no further use. */
function isBroken(error: unknown): boolean {
  if (error instanceof SdkHttpError) return error.status === 404;
  return error instanceof SdkError && (error.code === SdkErrorCode.ConnectionClosed || error.code === SdkErrorCode.NotConnected);
}

function troubleOf(error: unknown): ServerTrouble {
  if (error instanceof ServerTrouble) return error;
  if (error instanceof ProtocolError) return new ServerTrouble("refused", error.message);
  if (error instanceof DOMException && error.name === "TimeoutError") return new ServerTrouble("slow", "the server did not answer in time");
  if (error instanceof SdkHttpError && error.status !== undefined)
    return new ServerTrouble("broken", `the server answered ${error.status}`);
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
    return new ServerTrouble("slow", "the server did not answer in time");
  if (error instanceof SdkError && error.code === SdkErrorCode.InvalidResult)
    return new ServerTrouble("broken", "the server's answer is malformed");
  return new ServerTrouble("unreachable", "the server cannot be reached");
}
