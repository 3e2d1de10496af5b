import { afterEach, expect, test } from "vitest";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

let rig: Rig;
afterEach(async () => {
  await rig.close();
});

test("with three workers and concurrent cancels, each of 400 executions ends once and is counted once", {
  timeout: 60_000,
}, async () => {
  rig = await makeRig();
  const engine = new FakeEngine({ immediate: true });
  const metrics = [rig.metrics, makeMetrics(), makeMetrics(), makeMetrics()];
  for (const own of metrics.slice(1)) await rig.worker(engine, { metrics: own, concurrency: 4 });
  const statuses = await Promise.all(
    Array.from({ length: 400 }, async (_, at) => {
      const organization = `org_${at % 5}`;
      const { execution } = await rig.executionService.submit(newExecution({ organization }));
      if (at % 3 === 0) await rig.executionService.cancel(organization, execution.id);
      return (await rig.executionService.waitForEnd(organization, execution.id, 30_000)).status;
    }),
  );
  const ended = (status: string) => statuses.filter((one) => one === status).length;
  expect(ended("completed") + ended("cancelled")).toBe(400);
  expect(new Set(engine.runs.map((run) => run.input.id)).size).toBe(engine.runs.length);
  const counted = async () => {
    const values = await Promise.all(metrics.map((own) => rig.metric("executions_total", own)));
    const sum = (status: string) =>
      values
        .flat()
        .filter(({ labels }) => (labels as { status: string }).status === status)
        .reduce((total, { value }) => total + value, 0);
    return { completed: sum("completed"), cancelled: sum("cancelled") };
  };
  await expect.poll(counted).toEqual({ completed: ended("completed"), cancelled: ended("cancelled") });
  await expect.poll(() => rig.executionService.depth()).toEqual({ waiting: 0, active: 0 });
  expect(await rig.plain.zcard("{ci}:waiting")).toBe(0);
});
