import { execFileSync } from "node:child_process";
import { renameSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Caller, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import { sandboxesOf, workerIdIn } from "../support/sandboxes/containers.ts";
import type { Json, ServiceProcess } from "../support/servers/service.ts";

const sleeping = (seconds: number, text = "ended") => `import time\nprint('began', flush=True)\ntime.sleep(${seconds})\nprint('${text}')`;

/** So that a slow machine does not end a phase before the worker is killed in it. */
const patience = {
  LIMIT_INPUT_TIMEOUT_MS_MAX: "60000",
  LIMIT_COLLECT_TIMEOUT_MS_MAX: "60000",
  LIMIT_SHUTDOWN_MS_MAX: "120000",
};

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

describe("a worker killed", () => {
  test("with one execution in each phase: each runs again on another worker, except a session's cell; nothing is lost", async () => {
    const { ledger } = rig;
    const api = await rig.start("api");
    const caller = await rig.caller(api);
    const redis = await rig.proxiedRedis();
    const engine = await rig.proxiedEngine();
    const doomed = await rig.start("worker", { ...redis.env, ...engine.env, ...patience, WORKER_CONCURRENCY: "5" });
    const status = async (id: string | null) => (await caller.get(`/v1/executions/${id}`)).json.status;

    const session = (await caller.call("POST", "/v1/containers", { name: "kept" })).json.id;
    const cell = await ledger.submit(caller, { code: sleeping(60), container: session }, { endings: ["errored/worker_lost"] });
    await printed(caller, cell);
    // Sending: the bytes of its file never come.
    const file = await upload(api, await rig.key("org_a"));
    const blob = `${rig.dataFolder}/blobs/${file.slice(-2)}/${file}`;
    renameSync(blob, `${blob}.kept`);
    execFileSync("mkfifo", [blob]);
    const sending = await ledger.submit(caller, { code: "print(open('in.txt').read())", files: [{ name: "in.txt", file_id: file }] });
    await until("it is sent its file", async () => (await status(sending)) === "in_progress");
    const running = await ledger.submit(caller, { code: sleeping(15) });
    await printed(caller, running);
    // Collecting: the way of its file out of the sandbox ends half way.
    const out = engine.proxy.hold("MARK-OF-COLLECTING");
    await ledger.submit(caller, { code: "open('out.txt', 'w').write('MARK-OF-' + 'COLLECTING')" });
    await out.held;
    // Acquiring: another size is not in the stock, and the engine does not hear the call that makes it.
    const creating = engine.proxy.hold('"Memory":134217728');
    await ledger.submit(caller, { code: "print('acquired')", memory_mb: 128 });
    await creating.held;
    // Storing: its end is on its way to Redis.
    const end = redis.proxy.hold('"outcome":"ran"', "MARK-OF-STORING");
    await ledger.submit(caller, { code: "print('MARK-OF-' + 'STORING')" });
    await end.held;
    const queued = await ledger.submit(caller, { code: "print('waited')" });
    expect(await status(queued)).toBe("queued");

    await doomed.kill();
    execFileSync("rm", [blob]);
    renameSync(`${blob}.kept`, blob);
    await rig.start("worker");
    const { ended, repeated } = await rig.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 6, "errored/worker_lost": 1 }, repeated: 5 });
  });

  test("by its own memory limit: its executions run on another worker; nothing is lost", async () => {
    const { ledger } = rig;
    // The code is to end by itself, however slow the machine.
    const slow = { LIMIT_RUN_TIMEOUT_MS_MAX: "120000", LIMIT_SHUTDOWN_MS_MAX: "180000" };
    const caller = await rig.caller(await rig.start("api", slow));
    const doomed = await rig.start("worker", { ...slow, NODE_OPTIONS: "--max-old-space-size=96" });
    const large = "for _ in range(3): display({'application/json': 'x' * 7_000_000}, raw=True)";
    const code = `from IPython.display import display\n${large}\nimport time\ntime.sleep(1)\n${large.replace("3", "1")}`;
    await Promise.all(Array.from({ length: 6 }, () => ledger.submit(caller, { code })));
    await until("the worker is out of memory", () => doomed.child.signalCode === "SIGABRT", 60_000);
    await rig.start("worker", slow);
    const { ended, repeated } = await rig.settle();
    expect(ended).toEqual({ completed: 6 });
    expect(repeated).toBeGreaterThan(0);
  });
});

describe("two workers on one engine", () => {
  test("one stopped under load: it finishes its executions, the other runs the rest and keeps its sandboxes; nothing is lost", async () => {
    const { ledger } = rig;
    const caller = await rig.caller(await rig.start("api"));
    const stopped = await rig.start("worker", { WORKER_CONCURRENCY: "3" });
    const staying = await rig.start("worker", { WORKER_CONCURRENCY: "3" });
    await Promise.all(Array.from({ length: 18 }, () => ledger.submit(caller, { code: sleeping(0.7) })));
    await until("both run", async () => (await running(caller)) === 6);
    expect(await stopped.stop()).toBe(0);
    expect(await sandboxesOf(workerIdIn(stopped.log))).toEqual([]);
    expect((await sandboxesOf(workerIdIn(staying.log))).length).toBeGreaterThan(0);
    const { ended, repeated } = await rig.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 18 }, repeated: 0 });
  });

  test("of two services each reap only their own", async () => {
    const neighbour = await prepareFaults();
    try {
      const theirs = await neighbour.start("worker");
      const ours = await rig.start("worker");
      await ours.kill();
      // Its check reaps, with the clock ahead: everything of ours, and nothing of theirs.
      expect((await rig.settle()).reaped).toBeGreaterThan(0);
      expect((await sandboxesOf(workerIdIn(theirs.log))).length).toBeGreaterThan(0);
      await neighbour.settle();
    } finally {
      await neighbour.close();
    }
  });
});

describe("an api process killed", () => {
  test("with waiters and streams: another one continues from where the stream broke off; nothing is lost", async () => {
    const { ledger } = rig;
    await rig.start("worker");
    const doomed = await rig.start("api");
    const heir = await rig.start("api");
    const other = await rig.caller(heir);
    const caller = await rig.caller(doomed);
    const counting = "import time\nfor n in range(8):\n    print(n, flush=True)\n    time.sleep(0.5)";
    const id = await ledger.submit(caller, { code: counting });
    const first = await eventsOf(caller, id, null, 3);
    const asked = { headers: { "idempotency-key": "again" } };
    const waiting = ledger.post(caller, { code: sleeping(2) }, asked);
    const forgotten = ledger.post(caller, { code: sleeping(2) });
    await until("all of them run", async () => (await running(other)) === 3);
    await doomed.kill();
    expect(await waiting).toBeNull();
    expect(await forgotten).toBeNull();
    const rest = await eventsOf(other, id, first.lastId);
    expect([...first.text, ...rest.text].join("")).toBe("0\n1\n2\n3\n4\n5\n6\n7\n");
    expect(await ledger.post(other, { code: sleeping(2) }, asked)).toMatchObject({ status: "completed", attempt: 1 });
    expect((await rig.settle()).ended).toEqual({ completed: 2 });
  });
});

async function running(caller: Caller): Promise<number> {
  const { json } = await caller.get("/v1/executions?limit=50");
  return json.data.filter(({ status }: Json) => status === "in_progress").length;
}

/** Resolves once it has said something. */
async function printed(caller: Caller, id: string | null): Promise<void> {
  await eventsOf(caller, id, null, 2);
}

/** Reads events after one, all or so many; the text that they carry, and the id of the last. */
async function eventsOf(caller: Caller, id: string | null, after: string | null, count = Number.POSITIVE_INFINITY) {
  const response = await caller.stream(`/v1/executions/${id}/events`, after === null ? {} : { "last-event-id": after });
  const text: string[] = [];
  let lastId = after;
  let seen = 0;
  for await (const { id: eventId, data } of serverEvents(response)) {
    lastId = eventId;
    seen += 1;
    if (data.type === "execution.output") text.push(data.output.text);
    if (seen === count) break;
  }
  return { text, lastId };
}

async function* serverEvents(response: Response): AsyncGenerator<{ id: string; data: Json }> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      if (id !== undefined) yield { id, data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null") };
    }
  }
}

/** Returns the id of a stored file. */
async function upload(api: ServiceProcess, key: string): Promise<string> {
  const body = new FormData();
  body.set("purpose", "user_data");
  body.set("file", new Blob(["input"]), "in.txt");
  const response = await fetch(`${api.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body });
  return ((await response.json()) as { id: string }).id;
}
