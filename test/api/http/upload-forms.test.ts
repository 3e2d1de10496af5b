import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

const BYTES_MAX = 100_000;
/** Much longer than a response takes, much shorter than the test timeout. */
const ANSWER_MS_MAX = 10_000;
let redis: TestRedis;
let api: Api;
let key: string;

beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url, limits: { fileUploadBytesMax: BYTES_MAX } });
  key = await api.newKey("org_a");
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

interface Part {
  disposition: string;
  body: string;
}
const field = (name: string, value: string): Part => ({ disposition: `form-data; name="${name}"`, body: value });
const file = (name: string, bytes: number): Part => ({
  disposition: `form-data; name="${name}"; filename="a.bin"`,
  body: "x".repeat(bytes),
});

const part = fc.oneof(
  fc.constantFrom("vision", "user_data", "no such purpose", "").map((value) => field("purpose", value)),
  fc.constantFrom("created_at", "now").map((value) => field("expires_after[anchor]", value)),
  fc.constantFrom("3600", "1", "x".repeat(2_000)).map((value) => field("expires_after[seconds]", value)),
  fc.constantFrom("mode", "file").map((name) => field(name, "x")),
  fc.constantFrom(0, 1, 70_000, BYTES_MAX, BYTES_MAX + 1, 300_000).map((bytes) => file("file", bytes)),
  fc.constantFrom(1, 200_000).map((bytes) => file("upload", bytes)),
  fc.constant({ disposition: "attachment", body: "x" }),
);
const form = fc.record({
  parts: fc.array(part, { maxLength: 12 }),
  /** The fraction of the form that is sent, in pieces of `chunk` bytes. */
  share: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  chunk: fc.constantFrom(1_000, 16_384, 70_001, 1_000_000),
  /** By a Content-Length of what is sent, by one of the whole form, or not at all (chunked). */
  announced: fc.constantFrom("sent", "whole", "no"),
  /** Characters that are replaced, where they are as a fraction of the form. */
  damage: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.constantFrom("\r", "\n", "-", ":", '"', "\0")), {
    maxLength: 3,
  }),
});

/**
 * Sends a form over its own connection. Resolves with the status, or null when the server closed without a response.
 */
function send({ parts, share, chunk, announced, damage }: typeof form extends fc.Arbitrary<infer T> ? T : never): Promise<number | null> {
  let whole = `${parts.map(({ disposition, body }) => `--b\r\nContent-Disposition: ${disposition}\r\n\r\n${body}\r\n`).join("")}--b--\r\n`;
  for (const [where, character] of damage) {
    const at = Math.floor(whole.length * where);
    whole = whole.slice(0, at) + character + whole.slice(at + 1);
  }
  const sent = whole.slice(0, Math.floor(whole.length * share));
  const pieces: string[] = [];
  for (let at = 0; at < sent.length; at += chunk) pieces.push(sent.slice(at, at + chunk));
  const head = [
    "POST /v1/files HTTP/1.1",
    "Host: localhost",
    "Connection: close",
    `Authorization: Bearer ${key}`,
    "Content-Type: multipart/form-data; boundary=b",
    announced === "no" ? "Transfer-Encoding: chunked" : `Content-Length: ${(announced === "sent" ? sent : whole).length}`,
  ];
  const framed = announced !== "no" ? pieces : [...pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`), "0\r\n\r\n"];
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error("the upload was never answered"));
    }, ANSWER_MS_MAX);
    let answer = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
      resolve(status === undefined ? null : Number(status));
    });
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    for (const piece of framed) socket.write(piece);
    // A caller that closes its side gives up, and may be left without a response.
    if (announced === "whole") socket.end();
  });
}

test("every form gets a response, for any order, size, truncation or damage", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(form, async (sent) => {
      const answers = [200, 400, 413, 422, ...(sent.announced === "whole" ? [null] : [])];
      expect(answers).toContain(await send(sent));
    }),
    {
      numRuns: 150,
      examples: [[{ parts: [field("mode", "x"), file("file", 90_000)], share: 1, chunk: 1_000_000, announced: "sent", damage: [] }]],
    },
  );
});
