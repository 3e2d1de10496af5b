import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sandboxesOf, testEngine, workerIdIn } from "../support/containers.ts";
import { sandboxImage } from "../support/engine.ts";
import { type Caller, type FaultWorld, prepareFaults, until } from "../support/fault-world.ts";
import { type PrivateEngine, startPrivateEngine } from "../support/private-engine.ts";
import type { ServiceProcess } from "../support/service.ts";

const PREPARE_MS = 300_000;
const long = "import time\nprint('began', flush=True)\ntime.sleep(6)";

let engine: PrivateEngine;
let world: FaultWorld;
let service: ServiceProcess;
let caller: Caller;

beforeAll(async () => {
  engine = await startPrivateEngine(sandboxImage, `${process.env.DATA_DIR ?? "data"}/test/private-engine`);
}, PREPARE_MS);
afterAll(() => engine?.stop(), PREPARE_MS);
beforeEach(async () => {
  world = await prepareFaults({ engineHost: engine.host });
  service = await world.start("all", { WORKER_CONCURRENCY: "4" });
  caller = await world.caller(service);
});
afterEach(() => world.close());

const status = async (id: string | null) => (await caller.get(`/v1/executions/${id}`)).json;
const begun = (id: string | null) => until(`${id} runs`, async () => (await status(id)).status === "in_progress");

describe("a container", () => {
  test("whose shim is killed: its run ends as sandbox_lost and the next one runs; nothing is lost", async () => {
    const id = await world.ledger.submit(caller, { code: long }, { endings: ["errored/sandbox_lost"] });
    await begun(id);
    const sandbox = await busySandbox();
    engine.killShim(sandbox);
    await until("its end", async () => (await status(id)).status === "errored");
    await world.ledger.post(caller, { code: "print(1)" });
    expect((await world.settle()).ended).toEqual({ completed: 1, "errored/sandbox_lost": 1 });
  });

  test("that is paused ends at the limit of its time, and is removed; nothing is lost", async () => {
    const id = await world.ledger.submit(caller, { code: long, timeout_ms: 2_000 }, { endings: ["incomplete/timeout"] });
    await begun(id);
    await testEngine(engine.host)
      .getContainer(await busySandbox())
      .pause();
    await until("its end", async () => (await status(id)).status === "incomplete");
    expect((await world.settle()).ended).toEqual({ "incomplete/timeout": 1 });
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
