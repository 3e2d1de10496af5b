import { EventEmitter, once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { serve } from "../../../src/main/http-server.ts";

/** Far beyond what a test may take: whatever closes earlier was not cut. */
const NEVER_MS = 600_000;

test("a connection that never asked anything does not hold up the stop, as those do not that were answered", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1");
  const silent = net.connect(server.port, "127.0.0.1");
  await once(silent, "connect");
  expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe("ok");
  await server.close(NEVER_MS);
  silent.destroy();
});

test("what is asked on a connection that was opened before the stop is answered", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1");
  const early = net.connect(server.port, "127.0.0.1");
  await once(early, "connect");
  const closed = server.close(NEVER_MS);
  early.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const [answer] = await once(early, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await closed;
});

test("what still runs when patience is over is cut", async () => {
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

test("a connection that is kept for another request is closed when none comes", async () => {
  const server = await serve((_request, response) => response.end("ok"), 0, "127.0.0.1", { keepAliveMs: 100 });
  const client = net.connect(server.port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const [answer] = await once(client, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await once(client, "close");
  await server.close(NEVER_MS);
});

test("who takes nothing of its answer is cut, who takes it slowly or waits for it is not", async () => {
  const UNREAD_MS = 1_000;
  // More than the kernel holds between the two, or the server would see nothing of the reading.
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
    // A connection that is cut may say so.
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

test("every answer of a connection that ends is closed, those that wait behind another as well", async () => {
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
