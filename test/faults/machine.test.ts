import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engineReady, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import { childrenOf, commandOf, parentOf } from "../support/sandboxes/processes.ts";

const second = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')";
const FAKETIME = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`);

let rig: FaultRig;
afterEach(() => rig?.close());

describe("the file store's disk full", () => {
  beforeEach(async () => {
    rig = await prepareFaults();
    mkdirSync(`${rig.dataFolder}/blobs`);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", `${rig.dataFolder}/blobs`]);
  });
  afterEach(() => {
    execFileSync("umount", [`${rig.dataFolder}/blobs`]);
  });

  test("a result names the file that was not stored, and later files are stored again; nothing is lost", async () => {
    const caller = await rig.caller(await rig.start("all"));
    const { ledger } = rig;
    const large = await ledger.post(caller, { code: "print('text')\nopen('large.bin', 'wb').write(b'x' * 4_000_000)" });
    expect(large).toMatchObject({ status: "completed", truncated: { files: true }, skipped_files: [{ name: "large.bin" }] });
    expect(large.outputs[0]).toMatchObject({ type: "text", text: "text\n" });
    const small = await ledger.post(caller, { code: "open('small.bin', 'wb').write(b'x' * 1_000)" });
    expect(small).toMatchObject({ status: "completed", skipped_files: [] });
    await rig.settle();
  });
});

/** The clock of the service's processes says what a file says; Redis, whose clock is the queue's, goes on. */
describe("the service's clock set", () => {
  test.each([
    ["an hour ahead", "+3600"],
    ["an hour back", "-3600"],
  ])("%s during a run: running executions continue or run again, and end; nothing is lost", async (_name, offset) => {
    const library = FAKETIME.find((path) => existsSync(path));
    expect(library, "libfaketime, which npm test installs").toBeDefined();
    const clock = join("/tmp", `ci-clock-${process.pid}`);
    writeFileSync(clock, "+0");
    const env = {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    rig = await prepareFaults();
    const service = await rig.start("all", env);
    const caller = await rig.caller(service);
    const { ledger } = rig;
    const ids = await Promise.all(Array.from({ length: 3 }, () => ledger.submit(caller, { code: second.replace("(1)", "(4)") })));
    await until("they run", async () => (await caller.get(`/v1/executions/${ids[2]}`)).json.status === "in_progress");
    writeFileSync(clock, offset);
    await until("the process has seen it", () => Math.abs(lastTime(service.log) - Date.now() - Number(offset) * 1_000) < 60_000);
    await until("it is accepted", () => ledger.submit(caller, { code: second }));
    expect((await rig.settle()).ended).toEqual({ completed: 4 });
  });
});

describe("with ENGINE=oci", () => {
  test("the zygotes killed while executions wait: new ones replace them; nothing is lost", async () => {
    rig = await prepareFaults();
    const service = await rig.start("all", { ENGINE: "oci", WORKER_CONCURRENCY: "2" });
    const caller = await rig.caller(service);
    const { ledger } = rig;
    const first = await Promise.all(Array.from({ length: 2 }, () => ledger.submit(caller, { code: second })));
    await until("they run", async () => (await caller.get(`/v1/executions/${first[1]}`)).json.status === "in_progress");
    await Promise.all(Array.from({ length: 6 }, () => ledger.submit(caller, { code: "print(1)" })));
    const zygotes = descendants(service.child.pid ?? 0).filter(isZygote);
    expect(zygotes.length).toBeGreaterThan(0);
    for (const pid of zygotes) process.kill(pid, "SIGKILL");
    expect((await rig.settle()).ended).toEqual({ completed: 8 });
  });

  test("the keeper hangs: no run is blamed for it, and the worker is not ready; nothing is lost", async () => {
    rig = await prepareFaults();
    const service = await rig.start("all", { ENGINE: "oci", WORKER_CONCURRENCY: "2" });
    const caller = await rig.caller(service);
    expect(await engineReady(service)).toBe(true);
    const keeper = descendants(service.child.pid ?? 0).find((pid) => commandOf(pid).includes("keeper.py")) ?? 0;
    process.kill(keeper, "SIGSTOP");
    try {
      expect(await engineReady(service)).toBe(false);
      // Plain code may take the container that was opened ahead; what imports the stack needs a fork.
      const end = await rig.ledger.post(caller, { code: "import numpy" }, { endings: ["errored/sandbox_lost"] });
      expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", retry_safe: true });
    } finally {
      process.kill(keeper, "SIGCONT");
    }
    await until("the keeper answers again", async () => await engineReady(service));
    const metrics = await (await fetch(`${service.operationsUrl}/metrics`)).text();
    expect(metrics).toMatch(/executions_total\{status="errored",cause="sandbox_lost"\} 1/);
    expect((await rig.settle()).ended).toEqual({ "errored/sandbox_lost": 1 });
  });

  test("the zygotes hang: the keeper replaces them, and what waits runs; nothing is lost", async () => {
    rig = await prepareFaults();
    const service = await rig.start("all", { ENGINE: "oci", WORKER_CONCURRENCY: "2" });
    const caller = await rig.caller(service);
    for (const pid of descendants(service.child.pid ?? 0).filter(isZygote)) process.kill(pid, "SIGSTOP");
    expect(await engineReady(service)).toBe(false);
    await until("the zygotes are replaced", async () => await engineReady(service));
    expect(await rig.ledger.post(caller, { code: "print(1)", timeout_ms: 1_000 })).toMatchObject({ status: "completed" });
    await rig.settle();
  });
});

function lastTime(log: readonly string[]): number {
  return Date.parse((JSON.parse(log.at(-1) ?? "{}") as { time: string }).time);
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

/** What it forked, the runners of executions, has its command too, and is no child of the keeper. */
function isZygote(pid: number): boolean {
  return commandOf(pid).includes("runner.oci.zygote") && commandOf(parentOf(pid)).includes("keeper.py");
}
