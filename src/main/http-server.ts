import http, { type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

const IDLE_CHECK_MS = 100;
/** So long after it was opened a connection may yet bring its first request while the server stops. */
const UNUSED_MS_MAX = 2_000;
const timesDefault = {
  /** Longer than the idle time of common load balancers, so that they never use a connection we just closed. */
  keepAliveMs: 75_000,
  /** A caller who takes nothing of what waits for it for so long is gone, or holds our memory. */
  unreadMsMax: 120_000,
};
type Times = typeof timesDefault;

/** What a peer hears whose bytes are no HTTP: there is no request to answer, so no request id either. */
const NOT_HTTP = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: application/problem+json",
  "Connection: close",
  "",
  '{"type":"urn:code-interpreter:error:malformed_request","title":"The request can not be read","status":400,"code":"malformed_request"}',
].join("\r\n");

export interface HttpServer {
  readonly port: number;
  /** Takes no more connections; resolves when the last is closed. What still runs after `patienceMs` is cut. */
  close(patienceMs: number): Promise<void>;
}

export async function serve(app: RequestListener, port: number, host: string, times: Partial<Times> = {}): Promise<HttpServer> {
  const { keepAliveMs, unreadMsMax } = { ...timesDefault, ...times };
  const server = http.createServer(app);
  server.keepAliveTimeout = keepAliveMs;
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end(NOT_HTTP);
  });
  const unanswered = closeWaitingAnswers(server);
  // Bytes that move, in either direction, start this time anew; so does an answer, with the time for which a connection is kept.
  server.timeout = unreadMsMax;
  server.on("timeout", (socket) => {
    // Who waits for an answer that is not there yet is quiet for good reason.
    if (socket.writableLength > 0 || unanswered.get(socket)?.size === 0) socket.destroy();
  });
  // Clients open connections ahead of need. Node does not count those as idle, so they would hold up the stop.
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
    // A connection that was answered just now is idle, and would be kept for its next request.
    server.closeIdleConnections();
    for (const [socket, openedAt] of unused) if (performance.now() - openedAt > UNUSED_MS_MAX) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    async close(patienceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const idle = setInterval(closeIdle, IDLE_CHECK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

/**
 * Where a connection ends, Node closes the answer that it carries, and says nothing to those that wait behind that one for their
 * turn: whoever makes them would go on, and hold what it has open, for ever. Returns what each connection has not been answered.
 */
function closeWaitingAnswers(server: Server): WeakMap<Socket, ReadonlySet<ServerResponse>> {
  const unanswered = new WeakMap<Socket, Set<ServerResponse>>();
  server.on("connection", (socket) => {
    const answers = new Set<ServerResponse>();
    unanswered.set(socket, answers);
    socket.once("close", () => {
      for (const answer of answers) {
        if (answer.socket !== null) continue;
        answer.destroy();
        answer.emit("close");
      }
    });
  });
  server.on("request", ({ socket }, answer) => {
    const answers = unanswered.get(socket);
    answers?.add(answer);
    answer.once("close", () => answers?.delete(answer));
  });
  return unanswered;
}
