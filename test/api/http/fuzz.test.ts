import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonText, multipart, type Random, randomFrom, type Schema, valueFor, wellFormedId } from "../../support/checks/fuzz.ts";
import { expectMatchesOpenApi, openApi } from "../../support/checks/openapi.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

/** Requests per operation. */
const REQUESTS = 60;
const AT_ONCE = 8;
/** A request without a response by then hangs. Executions end at once here. */
const ANSWER_MS_MAX = 30_000;
/** `FUZZ_SEED=… npm test -- api -t fuzz` sends the same requests again. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

interface Operation {
  method: string;
  template: string;
  parameters: Array<{ in: string; name: string; schema: Schema }>;
  content: Record<string, { schema: Schema }>;
}

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

const components = (openApi.components?.schemas ?? {}) as Record<string, Schema>;
const operations = Object.entries(openApi.paths as Record<string, Record<string, Schema>>)
  .flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      template,
      parameters,
      content: requestBody?.content ?? {},
    })),
  )
  .filter(({ template }) => template.startsWith("/v1/")) satisfies Operation[];

let redis: TestRedis;
let api: Api;
let key: string;
const known: string[] = [];

beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
  key = await api.newKey("org_fuzz", ["execute", "read", "admin"]);
  api.executions.onSubmit = (id) => {
    known.push(id);
    api.executions.end(id, { outputs: [{ type: "text", stream: "stdout", text: "1" }] });
  };
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

test(`fuzz: ${REQUESTS} requests to each documented operation get a documented response, never a 500 (FUZZ_SEED=${seed})`, {
  timeout: 180_000,
}, async () => {
  const failures: string[] = [];
  const statuses = new Map<number, number>();
  const all = operations.flatMap((operation, at) =>
    Array.from({ length: REQUESTS }, (_, turn) => ({ operation, number: at * REQUESTS + turn })),
  );
  const next = all[Symbol.iterator]();
  const sendAll = async () => {
    for (const { operation, number } of next) {
      const sent = requestFor(operation, randomFrom(seed + number));
      try {
        const status = await sendAndCheck(operation, sent);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      } catch (error) {
        failures.push(
          `#${number} ${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} ${sent.body?.slice(0, 300)}\n  ${String(error).slice(0, 500)}`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sendAll));
  expect(failures.slice(0, 20)).toEqual([]);
  expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
  // A generator of pure nonsense would test only the first check.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(all.length / 20);
  expect([...statuses.keys()].filter((status) => status >= 500 && status !== 503)).toEqual([]);
});

function requestFor({ method, template, parameters, content }: Operation, random: Random): Sent {
  const query = new URLSearchParams();
  const headers: Record<string, string> = random.chance(0.97) ? { authorization: `Bearer ${key}` } : {};
  let path = template;
  for (const { in: place, name, schema } of parameters) {
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(pathValue(template, name, random)));
    else if (random.chance(0.4)) {
      const value = valueFor(schema, components, random);
      if (place === "query") query.append(name, typeof value === "string" ? wellFormed(value) : wellFormed(JSON.stringify(value) ?? ""));
      else headers[name] = headerValue(name, value, random);
    }
  }
  if (random.chance(0.03)) query.append(random.pick(["limit", "x", "after"]), random.pick(["", "1", "-1", "a"]));
  if (random.chance(0.1)) headers.accept = random.pick(["text/event-stream", "application/json", "*/*", "image/png"]);
  const types = Object.keys(content);
  let body: string | null = null;
  if (types.length > 0) {
    const type = random.pick(types);
    const made =
      type === "multipart/form-data"
        ? multipart(random)
        : { contentType: type, body: jsonText(valueFor(content[type]?.schema, components, random), random) };
    headers["content-type"] = random.chance(0.97)
      ? made.contentType
      : random.pick(["text/plain", "application/json; charset=utf-16", "x", "application/xml"]);
    body = made.body;
  }
  const suffix = query.size > 0 ? `?${query}` : "";
  return { method, path: path + suffix, headers, body };
}

function pathValue(template: string, name: string, random: Random): string {
  if (template.includes("/executions/") && known.length > 0 && random.chance(0.5)) return random.pick(known);
  if (random.chance(0.3)) return random.pick(["x", "..", "ci_", "a/b", "%", "é", "n".repeat(2_000), "file_", "\u0000"]);
  const kinds: Array<[string, string]> = [
    ["/executions", "ci"],
    ["/files", "file"],
    ["/containers", "cntr"],
    ["/responses", "resp"],
    ["/assistants", "asst"],
  ];
  const prefix = name === "file_id" ? "file" : (kinds.find(([part]) => template.startsWith(`/v1${part}`))?.[1] ?? "ci");
  return wellFormedId(prefix, random);
}

/** Restricts a value to what a client can send in a header. */
function headerValue(name: string, value: unknown, random: Random): string {
  const usual: Record<string, string[]> = {
    Prefer: ["respond-async", "wait=0", "wait=1", "wait=-1", "x"],
    Range: ["bytes=0-1", "bytes=-1", "bytes=9-1", "x"],
  };
  const text = random.chance(0.7) && usual[name] !== undefined ? random.pick(usual[name]) : String(value);
  return text
    .replace(/[^\x20-\x7e]/g, "?")
    .slice(0, 2_000)
    .trim();
}

/** Well-formed text, short enough for the request head: beyond 16 KiB, Node responds with 431 and no body. */
function wellFormed(text: string): string {
  return Buffer.from(text.slice(0, 1_000), "utf8").toString("utf8");
}

/** Resolves with the status. Rejects when there is no response or the document does not describe it. */
async function sendAndCheck({ template }: Operation, { method, path, headers, body }: Sent): Promise<number> {
  const response = await fetch(api.url + path, { method, headers, body, signal: AbortSignal.timeout(ANSWER_MS_MAX), redirect: "manual" });
  const contentType = response.headers.get("content-type");
  const text = await response.text();
  const parsed: unknown = /json/.test(contentType ?? "") ? JSON.parse(text) : text;
  if (response.status === 500) throw new Error(`500: ${text}`);
  // Such a path may belong to another operation or to none.
  const isOther = /%2E|\/\.\.|%2F/i.test(path.split("?")[0] ?? "") || new URL(api.url + path).pathname !== path.split("?")[0];
  if (!isOther) expectMatchesOpenApi(method, template, response.status, contentType, parsed);
  return response.status;
}
