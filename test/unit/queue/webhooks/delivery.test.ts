import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Execution } from "../../../../src/domain/result.ts";
import { deliverWebhook, signedMessage } from "../../../../src/queue/webhooks/delivery.ts";

const execution = { id: "ci_1", completed_at: 1_700_000_000 } as Execution;
const message = { execution, webhookId: "whd_1", secret: "0123456789abcdef", nowMs: 1_700_000_123_456 };
const closing: Array<() => void> = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const deliver = (url: string, timeoutMs = 5_000, allowPrivate = true) => deliverWebhook({ ...message, url, allowPrivate, timeoutMs });

describe("a webhook's message", () => {
  test("is signed over id, timestamp and body, in whole seconds", async () => {
    const { body, headers } = await signedMessage(message);
    expect(headers["webhook-timestamp"]).toBe("1700000123");
    const expected = createHmac("sha256", "0123456789abcdef").update(`whd_1.1700000123.${body}`).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${expected}`);
  });

  test("decodes a whsec_ secret as base64, like the Standard Webhooks libraries", async () => {
    const key = Buffer.from("raw key bytes of the receiver");
    const { body, headers } = await signedMessage({ ...message, secret: `whsec_${key.toString("base64")}` });
    expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", key).update(`whd_1.1700000123.${body}`).digest("base64")}`);
  });

  test("has the same body in later attempts", async () => {
    expect((await signedMessage({ ...message, nowMs: message.nowMs + 60_000 })).body).toEqual((await signedMessage(message)).body);
  });
});

describe("one delivery", () => {
  test.each([
    [200, "delivered"],
    [299, "delivered"],
    [301, "rejected"],
    [404, "rejected"],
    [410, "gone"],
    [500, "rejected"],
  ])("answered with %i is %s", async (status, result) => {
    const url = await serve((_request, response) => response.writeHead(status).end("ok"));
    expect(await deliver(url)).toBe(result);
  });

  test("to a closed port is unreachable", async () => {
    expect(await deliver("http://127.0.0.1:1/")).toBe("unreachable");
  });

  test("to a receiver that never responds ends at its time limit", async () => {
    const url = await serve(() => undefined);
    expect(await deliver(url, 100)).toBe("unreachable");
  });

  test("to a receiver whose response never ends is bounded in bytes", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200);
      const flood = () => {
        while (response.writable && response.write("x".repeat(16_384)));
      };
      response.on("drain", flood);
      flood();
    });
    expect(await deliver(url, 60_000)).toBe("delivered");
  });

  test("to a receiver whose response trickles is bounded in time", async () => {
    const url = await serve((_request, response) => void response.writeHead(200).write("x"));
    expect(await deliver(url, 200)).toBe("delivered");
  });

  test("to a private address opens no connection", async () => {
    let connections = 0;
    const url = await serve((_request, response) => {
      connections++;
      response.end();
    });
    expect(await deliver(url, 5_000, false)).toBe("refused");
    expect(await deliver(url.replace("127.0.0.1", "localhost"), 5_000, false)).toBe("refused");
    expect(connections).toBe(0);
  });
});
