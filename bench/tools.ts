import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Execution } from "../src/domain/result.ts";
import type { BenchContext, Measure, Row } from "./harness/context.ts";
import { round, summarize } from "./harness/numbers.ts";
import { startService } from "./harness/service.ts";

const CALLBACK_RATIO_MAX = 3;
const THREADS = 16;
const THREADS_RATIO_MIN = 0.5;
const TURN_RATIO_MAX = 1.5;
const SECRET = "0123456789abcdef0123";
const tools = [{ type: "function", name: "f", parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] } }];

/** What does a call of a tool cost, next to a plain HTTP round trip and to a cell of a session? */
export const measure: Measure = async (context) => {
  const server = await startToolServer();
  const service = await startService(context, { env: { WEBHOOK_ALLOW_PRIVATE: "true" } });
  try {
    const callback = { tools, tools_url: server.url, tools_secret: SECRET };
    const calls = context.pick(1_000, 50);
    const blocks = context.pick(5, 1);
    const ours: number[] = [];
    const plain: number[] = [];
    const oursRates: number[] = [];
    const plainRates: number[] = [];
    const numbersOf = async (code: string) => {
      const { outputs } = await service.client.run(code, callback);
      return JSON.parse(outputs.map((output) => (output.type === "text" ? output.text : "")).join("")) as number[];
    };
    await numbersOf(timed("f(x=1)", 20));
    for (let block = 0; block < blocks; block++) {
      context.log(`callback, block ${block + 1}`);
      ours.push(...(await numbersOf(timed("f(x=1)", calls))));
      plain.push(...(await bare(timed("post()", calls), server.url)));
      oursRates.push(...(await numbersOf(threaded("lambda _: f(x=1)", calls))));
      plainRates.push(...(await bare(threaded("lambda _: post()", calls), server.url)));
    }
    return [callbackRow(ours, plain), threadsRow(oursRates, plainRates), await turnRow(context, service.client)];
  } finally {
    await service.stop();
    server.close();
  }
};

function callbackRow(ours: number[], plain: number[]): Row {
  const [mine, base] = [summarize(ours, 0), summarize(plain, 0)];
  const ratio = round(mine.p50 / base.p50);
  return {
    question: "one call by callback, one after another, against a plain HTTP round trip from Python",
    unit: "ms p50",
    ours: mine.p50,
    baseline: base.p50,
    ratio,
    target: `≤ ${CALLBACK_RATIO_MAX}`,
    met: ratio <= CALLBACK_RATIO_MAX,
    detail: { ours: mine, baseline: base },
    notes: [`p99 of ${mine.count} calls: ${mine.p99} ms; of plain round trips: ${base.p99} ms`],
  };
}

function threadsRow(ours: number[], plain: number[]): Row {
  const [mine, base] = [summarize(ours, 0), summarize(plain, 0)];
  const ratio = round(mine.p50 / base.p50);
  return {
    question: `calls a second from ${THREADS} threads, against bare Python with http.client`,
    unit: "calls/s",
    ours: mine.p50,
    baseline: base.p50,
    ratio,
    target: `≥ ${THREADS_RATIO_MIN}`,
    met: ratio >= THREADS_RATIO_MIN,
    detail: { ours: mine, baseline: base },
  };
}

async function turnRow(context: BenchContext, client: Awaited<ReturnType<typeof startService>>["client"]): Promise<Row> {
  const count = context.pick(200, 10);
  const post = async (path: string, body: object) => {
    const answer = await client.call("POST", path, JSON.stringify(body));
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}`);
    return JSON.parse(answer.body.toString("utf8")) as Execution;
  };
  const { id: container } = JSON.parse((await client.call("POST", "/v1/containers", "{}")).body.toString("utf8")) as { id: string };
  await client.run("x = 0", { container });
  const turns: number[] = [];
  const cells: number[] = [];
  for (let block = 0; block < context.pick(5, 1); block++) {
    context.log(`turns, block ${block + 1}`);
    let state = await post("/v1/executions", { code: `for i in range(${count}): f(x=i)`, tools });
    while (state.status === "requires_action") {
      const started = performance.now();
      const outputs = (state.pending_calls ?? []).map(({ call_id }) => ({ call_id, output: 1 }));
      state = await post(`/v1/executions/${state.id}/tool_outputs`, { outputs });
      turns.push(performance.now() - started);
    }
    for (let at = 0; at < count; at++) {
      const started = performance.now();
      await client.run("x += 1; print(x)", { container });
      cells.push(performance.now() - started);
    }
  }
  const [mine, base] = [summarize(turns, 0), summarize(cells, 0)];
  const ratio = round(mine.p50 / base.p50);
  return {
    question: "one call by turns over HTTP, against the next cell of a session",
    unit: "ms p50",
    ours: mine.p50,
    baseline: base.p50,
    ratio,
    target: `≤ ${TURN_RATIO_MAX}`,
    met: ratio <= TURN_RATIO_MAX,
    detail: { ours: mine, baseline: base },
    notes: [`p99 of ${mine.count} turns: ${mine.p99} ms; of cells: ${base.p99} ms`],
  };
}

/** Prints the milliseconds of each call. */
function timed(call: string, count: number): string {
  return `import json, time
taken = []
for _ in range(${count}):
    started = time.perf_counter()
    ${call}
    taken.append(round((time.perf_counter() - started) * 1000, 4))
print(json.dumps(taken))`;
}

/** Prints calls a second. */
function threaded(call: string, count: number): string {
  return `import json, time
from concurrent.futures import ThreadPoolExecutor
started = time.perf_counter()
with ThreadPoolExecutor(${THREADS}) as pool: list(pool.map(${call}, range(${count})))
print(json.dumps([${count} / (time.perf_counter() - started)]))`;
}

/** Runs a program on this machine's Python, where `post()` is one request to the tools' server over a kept connection. */
async function bare(program: string, url: string): Promise<number[]> {
  const prelude = `import http.client, threading
kept = threading.local()
def post():
    if not hasattr(kept, "connection"): kept.connection = http.client.HTTPConnection("127.0.0.1", ${new URL(url).port})
    kept.connection.request("POST", "/", '{"arguments":{"x":1}}', {"content-type": "application/json"})
    return kept.connection.getresponse().read()
`;
  const child = spawn("/usr/bin/python3", ["-c", prelude + program], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  await once(child, "close");
  return JSON.parse(printed) as number[];
}

async function startToolServer(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.setHeader("content-type", "application/json").end('{"output":1}'));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() };
}
