import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Caller, engineReady, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import { pauseContainer, sandboxesOf, testEngine, workerIdIn } from "../support/sandboxes/containers.ts";
import { sandboxImage } from "../support/sandboxes/engine.ts";
import { type PrivateEngine, startPrivateEngine } from "../support/sandboxes/private-engine.ts";
import type { ServiceProcess } from "../support/servers/service.ts";

const PREPARE_MS = 300_000;
const lost = ["completed", "errored/sandbox_lost"];
const long = "import time\nprint('began', flush=True)\ntime.sleep(6)";

let engine: PrivateEngine;
let rig: FaultRig;
let service: ServiceProcess;
let caller: Caller;

beforeAll(async () => {
  engine = await startPrivateEngine(sandboxImage, `${process.env.DATA_DIR ?? "data"}/test/private-engine`);
}, PREPARE_MS);
afterAll(() => engine?.stop(), PREPARE_MS);
beforeEach(async () => {
  rig = await prepareFaults({ engineHost: engine.host });
  // No more than stand ready: a cold start on this engine may take longer than the runs.
  service = await rig.start("all", { WORKER_CONCURRENCY: "2" });
  caller = await rig.caller(service);
});
afterEach(() => rig.close());

const status = async (id: string | null) => (await caller.get(`/v1/executions/${id}`)).json;
/** Has a sandbox and runs in it: `in_progress` is also what waits for one. */
const begun = (id: string | null) =>
  until(`${id} prints`, async () => firstPrinted(await caller.stream(`/v1/executions/${id}/events`, {})));

describe("dockerd", () => {
  test("restarted during a run: the run ends as sandbox_lost, waiting executions run afterwards; nothing is lost", async () => {
    const { ledger } = rig;
    const running = await Promise.all(Array.from({ length: 2 }, () => ledger.submit(caller, { code: long }, { endings: lost })));
    for (const id of running) await begun(id);
    const waiting = await ledger.submit(caller, { code: "print('after')" });
    await engine.kill();
    for (const id of running) await until("its end", async () => (await status(id)).status !== "in_progress");
    expect(await status(running[0] ?? null)).toMatchObject({
      status: "errored",
      cause: "sandbox_lost",
      outcome: "ran_partly",
      retry_safe: true,
    });
    await engine.start();
    await until("what waited ends", async () => (await status(waiting)).status === "completed", 60_000);
    const metrics = await (await fetch(`${service.operationsUrl}/metrics`)).text();
    expect(metrics).toMatch(/executions_total\{status="errored",cause="sandbox_lost"\} 2/);
    expect(metrics).toMatch(/engine_errors_total\{operation="create"\} [1-9]/);
    expect((await rig.settle()).ended).toEqual({ completed: 1, "errored/sandbox_lost": 2 });
  });
});

describe("a program that hangs", () => {
  test.each(["dockerd", "shim"] as const)("%s: no run is blamed for it, and the worker is not ready; nothing is lost", async (program) => {
    await until("the engine answers", async () => await engineReady(service));
    const begun1 = await rig.ledger.submit(caller, { code: long, timeout_ms: 9_000 }, { endings: lost });
    await begun(begun1);
    // Without a sandbox in stock, the next run would wait in the queue and never reach the engine.
    await until("another sandbox is ready", async () => /pool_sandboxes\{state="idle"\} [1-9]/.test(await metricsOf(service)));
    const thaw = engine.freeze(program);
    try {
      const fresh = await rig.ledger.submit(caller, { code: "print(1)" }, { endings: lost });
      expect(await engineReady(service)).toBe(false);
      for (const id of [begun1, fresh]) {
        await until("its end", async () => (await status(id)).status === "errored");
        expect(await status(id)).toMatchObject({ cause: "sandbox_lost", retry_safe: true });
      }
    } finally {
      thaw();
    }
    await until("the engine answers again", async () => await engineReady(service));
    expect((await rig.settle()).ended).toEqual({ "errored/sandbox_lost": 2 });
  });

  test("containerd: what runs completes, and the worker is not ready; nothing is lost", async () => {
    const id = await rig.ledger.submit(caller, { code: long.replace("6", "2") });
    await begun(id);
    const thaw = engine.freeze("containerd");
    try {
      expect(await engineReady(service)).toBe(false);
      await until("its end", async () => (await status(id)).status === "completed");
    } finally {
      thaw();
    }
    await until("the engine answers again", async () => await engineReady(service));
    expect((await rig.settle()).ended).toEqual({ completed: 1 });
  });
});

describe("a container", () => {
  test("whose shim is killed: its run ends as sandbox_lost and the next one runs; nothing is lost", async () => {
    const id = await rig.ledger.submit(caller, { code: long }, { endings: ["errored/sandbox_lost"] });
    await begun(id);
    const sandbox = await busySandbox();
    engine.killShim(sandbox);
    await until("its end", async () => (await status(id)).status === "errored");
    await rig.ledger.post(caller, { code: "print(1)" });
    expect((await rig.settle()).ended).toEqual({ completed: 1, "errored/sandbox_lost": 1 });
  });

  test("that is paused ends at its time limit and is removed; nothing is lost", async () => {
    const id = await rig.ledger.submit(caller, { code: long, timeout_ms: 4_000 }, { endings: ["incomplete/timeout"] });
    await until("it runs", async () => (await status(id)).status === "in_progress");
    await pauseContainer(await busySandbox(), engine.host);
    await until("its end", async () => (await status(id)).status === "incomplete");
    expect((await rig.settle()).ended).toEqual({ "incomplete/timeout": 1 });
  });

  test("that is paused after its code has printed is removed just as soon; nothing is lost", async () => {
    const id = await rig.ledger.submit(caller, { code: long, timeout_ms: 4_000 }, { endings: ["incomplete/timeout"] });
    await begun(id);
    const sandbox = await busySandbox();
    await pauseContainer(sandbox, engine.host);
    await until("its end", async () => (await status(id)).status === "incomplete");
    const there = async () => (await sandboxesOf(workerIdIn(service.log), engine.host)).map(({ Id }) => Id);
    await until("it is removed", async () => !(await there()).includes(sandbox));
    const metrics = await (await fetch(`${service.operationsUrl}/metrics`)).text();
    expect(metrics).toMatch(/engine_errors_total\{operation="remove"\} 0/);
    expect((await rig.settle()).ended).toEqual({ "incomplete/timeout": 1 });
  });

  /** Of the worker's sandboxes the one in which user code runs: it alone has a process that sleeps as a child of the runner. */
  async function busySandbox(): Promise<string> {
    return until("a busy sandbox", async () => {
      for (const { Id } of await sandboxesOf(workerIdIn(service.log), engine.host)) {
        const { Processes } = (await testEngine(engine.host).getContainer(Id).top()) as { Processes: string[][] };
        if (Processes.length > 1) return Id;
      }
      return undefined;
    });
  }
});

test("the engine's disk full: executions without a sandbox wait in the queue and run when there is room; nothing is lost", async () => {
  const { ledger } = rig;
  const free = engine.fillDisk();
  // More than stand ready.
  const ids = await Promise.all(Array.from({ length: 10 }, () => ledger.submit(caller, { code: "print(1)" })));
  await until("the engine makes no more", () => service.log.some((line) => line.includes("a sandbox did not start")), 60_000);
  free();
  for (const id of ids) await until("its end", async () => (await status(id)).status === "completed", 90_000);
  const { ended, repeated } = await rig.settle();
  expect({ ended, repeated }).toEqual({ ended: { completed: 10 }, repeated: 0 });
});

async function metricsOf({ operationsUrl }: ServiceProcess): Promise<string> {
  return (await fetch(`${operationsUrl}/metrics`)).text();
}

async function firstPrinted(events: Response): Promise<boolean> {
  for await (const bytes of events.body as unknown as AsyncIterable<Uint8Array>) {
    if (Buffer.from(bytes).includes("execution.output")) return true;
  }
  return false;
}
