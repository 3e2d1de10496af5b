import http, { type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

const IDLE_CHECK_MS = 100;
/** While the server stops, a new connection may still send its first request within this time. */
const UNUSED_MS_MAX = 2_000;
const timesDefault = {
  /** Longer than the idle timeout of common load balancers, so that they never use a connection that we just closed. */
  keepAliveMs: 75_000,
  /** A caller that reads nothing of its pending HTTP response for this long is gone, or holds our memory. */
  unreadMsMax: 120_000,
};
type Times = typeof timesDefault;

/** Reply to bytes that are not HTTP. Without a request there is no request id. */
const BAD_REQUEST = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: application/problem+json",
  "Connection: close",
  "",
  '{"type":"urn:code-interpreter:error:malformed_request","title":"The request cannot be read","status":400,"code":"malformed_request"}',
].join("\r\n");

export interface HttpServer {
  readonly port: number;
  /** Accepts no more connections; resolves when the last is closed. Cuts connections that remain after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

export async function serve(app: RequestListener, port: number, host: string, times: Partial<Times> = {}): Promise<HttpServer> {
  const { keepAliveMs, unreadMsMax } = { ...timesDefault, ...times };
  const server = http.createServer(app);
  server.keepAliveTimeout = keepAliveMs;
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end(BAD_REQUEST);
  });
  const pending = closePipelinedResponses(server);
  // Traffic in either direction restarts this timeout. After an HTTP response, the keep-alive timeout applies instead.
  server.timeout = unreadMsMax;
  server.on("timeout", (socket) => {
    // A caller that waits for its HTTP response is silent for a good reason.
    if (socket.writableLength > 0 || pending.get(socket)?.size === 0) socket.destroy();
  });
  // Clients open connections in advance. Node does not count these as idle, so they would delay the stop.
  const unused = new Map<Socket, number>();
  server.on("connection", (socket) => {
    unused.set(socket, performance.now());
    socket.once("close", () => unused.delete(socket));
  });
  server.on("request", ({ socket }) => unused.delete(socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });

  const closeIdle = () => {
    // A connection whose last response was just sent is idle, and would be kept for another request.
    server.closeIdleConnections();
    for (const [socket, openedAt] of unused) if (performance.now() - openedAt > UNUSED_MS_MAX) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    async close(drainMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const idle = setInterval(closeIdle, IDLE_CHECK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

/**
 * When a connection ends, Node closes only the current response, not the pipelined responses behind it: their handlers would
 * continue and hold their resources forever. Returns the unfinished responses per connection.
 */
function closePipelinedResponses(server: Server): WeakMap<Socket, ReadonlySet<ServerResponse>> {
  const pending = new WeakMap<Socket, Set<ServerResponse>>();
  server.on("connection", (socket) => {
    const responses = new Set<ServerResponse>();
    pending.set(socket, responses);
    socket.once("close", () => {
      for (const response of responses) {
        if (response.socket !== null) continue;
        response.destroy();
        response.emit("close");
      }
    });
  });
  server.on("request", ({ socket }, response) => {
    const responses = pending.get(socket);
    responses?.add(response);
    response.once("close", () => responses?.delete(response));
  });
  return pending;
}
