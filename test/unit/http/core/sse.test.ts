import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Response } from "express";
import { afterEach, expect, test } from "vitest";
import { streamEvents } from "../../../../src/http/core/sse.ts";

const closers: Array<() => void> = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Serves one stream. Returns the unread client side and the promise of the server side. */
async function serve(events: AsyncIterable<{ id: string; event: { type: string } }>, options: { signal: AbortSignal; pingMs?: number }) {
  const { signal, pingMs = 60_000 } = options;
  let served: Promise<void> = Promise.resolve();
  const server = createServer((_request, response) => {
    const express = Object.assign(response, { status: () => response }) as unknown as Response;
    served = streamEvents(express, events, { signal, pingMs });
    served.catch(() => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const request = get({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  request.on("error", () => {});
  const [response] = (await once(request, "response")) as [IncomingMessage];
  closers.push(() => {
    request.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { response, served };
}

test("a stalled reader stops the source, and receives everything once it reads", async () => {
  const total = 400;
  let asked = 0;
  async function* events() {
    for (; asked < total; asked += 1) yield { id: String(asked), event: { type: "t", text: "x".repeat(64 * 1024) } };
  }
  const { response, served } = await serve(events(), { signal: new AbortController().signal });
  let before = -1;
  await expect
    .poll(
      () => {
        const still = asked === before;
        before = asked;
        return still;
      },
      { interval: 200, timeout: 10_000 },
    )
    .toBe(true);
  expect(asked).toBeLessThan(total);
  let text = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await served;
  await once(response, "end");
  expect(text.match(/^id: /gm)).toHaveLength(total);
});

test("comments keep an idle stream alive, and an abort ends it cleanly", async () => {
  const stop = new AbortController();
  async function* silence() {
    await once(stop.signal, "abort");
    yield* [];
  }
  const { response, served } = await serve(silence(), { signal: stop.signal, pingMs: 5 });
  const [chunk] = await once(response, "data");
  expect(String(chunk)).toMatch(/^(: ping\n)+$/);
  stop.abort();
  await served;
});

test("blank lines only end events, even on an idle stream", async () => {
  const stop = new AbortController();
  const pinged = new AbortController();
  async function* slow() {
    yield { id: "1", event: { type: "first" } };
    await once(pinged.signal, "abort");
    yield { id: "2", event: { type: "second" } };
  }
  const { response, served } = await serve(slow(), { signal: stop.signal, pingMs: 5 });
  let text = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (text.includes(": ping")) pinged.abort();
  });
  await served;
  await once(response, "end");
  const blocks = text.split("\n\n").slice(0, -1);
  expect(text.endsWith("\n\n")).toBe(true);
  expect(blocks).toHaveLength(2);
  for (const block of blocks) expect(block).toMatch(/^data: /m);
});

test("a failing source does not look like a normal end", async () => {
  const error = new Error("Redis is gone");
  async function* failing() {
    yield { id: "1", event: { type: "t" } };
    throw error;
  }
  const { served } = await serve(failing(), { signal: new AbortController().signal });
  await expect(served).rejects.toBe(error);
});
