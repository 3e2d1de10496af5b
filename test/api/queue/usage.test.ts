import { afterEach, beforeEach, expect, test } from "vitest";
import { dayNumber } from "../../../src/domain/usage.ts";
import { completedEnd, FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

const today = () => dayNumber(Date.now());
const limits = { timeout_ms: 1, memory_mb: 1, cpu_cores: 1, processes: 1, working_folder_mb: 1, output_bytes: 1, files_out_bytes: 1 };

test("each execution and its usage are counted once, even when its end is stored or reported repeatedly", async () => {
  const engine = new FakeEngine();
  await rig.worker(engine);
  const { execution } = await rig.executionService.submit(newExecution({ request: request({ code: "print('é')", stdin: "abc" }) }));
  const run = await engine.started(0);
  const sha256 = "a".repeat(64);
  const usage = { ...completedEnd().usage, cpu_ms: 1_250, stdout_bytes: 10, stderr_bytes: 5, file_bytes: 100 };
  run.finish({ usage, provenance: { limits, inputs: [{ name: "in", bytes: 1_000, sha256 }], outputs: [] } });
  await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
  await rig.executionService.cancel("org_a", execution.id);
  const day = today();
  const [used] = await rig.executionService.usage("org_a", { from: day, to: day });
  expect(used).toMatchObject({ executions: { completed: 1, cancelled: 0 }, cpu_seconds: 1.25, bytes_in: 1_000 + 11 + 3, bytes_out: 115 });
  await rig.executionService.delete("org_a", execution.id);
  expect((await rig.executionService.usage("org_a", { from: day, to: day }))[0]).toEqual(used);
});

test("executions that never ran count by status, and only for their organization", async () => {
  const { execution } = await rig.executionService.submit(newExecution());
  await rig.executionService.cancel("org_a", execution.id);
  const range = { from: today() - 1, to: today() };
  const days = await rig.executionService.usage("org_a", range);
  expect(days).toHaveLength(2);
  expect(days.at(-1)).toMatchObject({ executions: { cancelled: 1, completed: 0 }, cpu_seconds: 0, bytes_in: 0, bytes_out: 0 });
  const foreign = await rig.executionService.usage("org_b", range);
  expect(foreign.map((day) => day.executions.cancelled)).toEqual([0, 0]);
});

test("a day expires after the operator's retention", async () => {
  await rig.close();
  rig = await makeRig({ usageKeptDaysMax: 100 });
  const { execution } = await rig.executionService.submit(newExecution());
  await rig.executionService.cancel("org_a", execution.id);
  const dayMs = 24 * 60 * 60 * 1000;
  const day = today();
  expect(await rig.plain.pexpiretime(`{ci}:usage:org_a:${day}`)).toBe((day + 1 + 100) * dayMs);
});

test("an execution accepted by an older version is counted too", async () => {
  const { execution } = await rig.executionService.submit(newExecution());
  await rig.plain.hdel(`{ci}:record:org_a:${execution.id}`, "usage_ms", "trace");
  await rig.executionService.cancel("org_a", execution.id);
  const day = today();
  expect((await rig.executionService.usage("org_a", { from: day, to: day }))[0]?.executions.cancelled).toBe(1);
});

test("operators see the organizations with the largest usage of a day, and the requests that were refused", async () => {
  const engine = new FakeEngine();
  await rig.worker(engine);
  const runs: Array<[string, number]> = [
    ["org_a", 100],
    ["org_b", 5_000],
    ["org_a", 200],
  ];
  for (const [at, [organization, cpu_ms]] of runs.entries()) {
    const { execution } = await rig.executionService.submit(newExecution({ organization }));
    (await engine.started(at)).finish({ usage: { ...completedEnd().usage, cpu_ms } });
    await rig.executionService.waitForEnd(organization, execution.id, 5_000);
  }
  for (let count = 0; count < 3; count++) rig.executionService.countRefused("org_c");
  const top = (by: "executions" | "cpu_seconds" | "refused", limit = 10) => rig.executionService.topUsage({ day: today(), by, limit });
  expect((await top("executions")).map(({ organization, executions }) => [organization, executions])).toEqual([
    ["org_a", 2],
    ["org_b", 1],
  ]);
  expect(await top("cpu_seconds", 1)).toMatchObject([{ organization: "org_b", cpu_seconds: 5, executions: 1, refused: 0 }]);
  await expect.poll(() => top("refused"), { timeout: 10_000 }).toMatchObject([{ organization: "org_c", refused: 3, executions: 0 }]);
  for (const key of await rig.plain.keys("{ci}:usage-top:*")) expect(await rig.plain.pttl(key), key).toBeGreaterThan(0);
});
