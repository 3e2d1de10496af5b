import { EventEmitter, once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { serve } from "../../../src/main/http-server.ts";

/** Longer than any test: a server that closes earlier did not cut its connections. */
const NEVER_MS = 600_000;

test("neither unused connections nor idle ones delay the stop", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1");
  const silent = net.connect(server.port, "127.0.0.1");
  await once(silent, "connect");
  expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe("ok");
  await server.close(NEVER_MS);
  silent.destroy();
});

test("a request on a connection from before the stop is served", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1");
  const early = net.connect(server.port, "127.0.0.1");
  await once(early, "connect");
  const closed = server.close(NEVER_MS);
  early.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const [answer] = await once(early, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await closed;
});

test("requests that run longer than the drain time are cut", async () => {
  const asked = new EventEmitter();
  const server = await serve(() => asked.emit("request"), 0, "127.0.0.1");
  const answer = fetch(`http://127.0.0.1:${server.port}/`).then(
    () => "answered",
    () => "cut",
  );
  await once(asked, "request");
  await server.close(100);
  expect(await answer).toBe("cut");
});

test("a keep-alive connection is closed when no further request comes", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1", { keepAliveMs: 100 });
  const client = net.connect(server.port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const [answer] = await once(client, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await once(client, "close");
  await server.close(NEVER_MS);
});

test("a caller that reads nothing is cut; a caller that reads slowly or waits is not", async () => {
  const UNREAD_MS = 1_000;
  // More than the kernel's buffers, or the server would not notice the reading.
  const SLOW_BYTES = 8 * 1024 * 1024;
  const large = Buffer.alloc(128 * 1024 * 1024);
  const closed = new EventEmitter();
  const server = await serve(
    (request, response) => {
      response.once("close", () => closed.emit(request.url ?? ""));
      if (request.url === "/waits") setTimeout(() => response.end("at last"), 2 * UNREAD_MS);
      else response.end(large);
    },
    0,
    "127.0.0.1",
    { unreadMsMax: UNREAD_MS },
  );
  const ask = (path: string) => {
    const client = net.connect(server.port, "127.0.0.1");
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    return client;
  };
  const takenBy = async (client: net.Socket) => {
    let bytes = 0;
    client.on("data", (data: Buffer) => (bytes += data.length));
    // A cut connection may emit an error.
    client.on("error", () => {});
    client.resume();
    await once(client, "close");
    return bytes;
  };
  const waiting = fetch(`http://127.0.0.1:${server.port}/waits`).then((answer) => answer.text());
  const slow = ask("/slow");
  const slowTaken = takenBy(slow);
  let untilPause = SLOW_BYTES;
  slow.on("data", (data: Buffer) => {
    untilPause -= data.length;
    if (untilPause > 0) return;
    untilPause = SLOW_BYTES;
    slow.pause();
    setTimeout(() => slow.resume(), UNREAD_MS / 8);
  });
  const stalled = ask("/stalled").pause();
  await once(closed, "/stalled");
  expect(await takenBy(stalled)).toBeLessThan(large.length);
  expect(await slowTaken).toBeGreaterThan(large.length);
  expect(await waiting).toBe("at last");
  await server.close(NEVER_MS);
});

test("all responses of a connection that ends are closed, including pipelined ones", async () => {
  const closed: string[] = [];
  const asked = new EventEmitter();
  const server = await serve(
    (request, response) => {
      response.once("close", () => closed.push(`${request.url} ${response.destroyed}`));
      if (request.url === "/second") asked.emit("second");
    },
    0,
    "127.0.0.1",
  );
  const client = net.connect(server.port, "127.0.0.1");
  const second = once(asked, "second");
  client.write("GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  await second;
  client.destroy();
  await expect.poll(() => closed.sort()).toEqual(["/first true", "/second true"]);
  await server.close(NEVER_MS);
});
