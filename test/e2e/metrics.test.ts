import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

let world: TestService;
let service: ServiceProcess;

beforeAll(async () => {
  world = await prepareService();
  service = await world.start("all");
  const { run, get } = client(service.url, await world.key("org_secret"));
  await run({ code: "print(1)" });
  await run({ code: "1/0" });
  await run({ code: "x" }, { "content-type": "text/plain" });
  await get("/v1/executions/ci_000000000000000000000000");
});
afterAll(() => world.stop());

const scrape = async () => (await fetch(`${service.operationsUrl}/metrics`)).text();

test("promtool has no complaint about the metrics", async () => {
  const { status, stdout, stderr, error } = spawnSync("promtool", ["check", "metrics"], { input: await scrape(), encoding: "utf8" });
  expect(error).toBeUndefined();
  expect(stdout + stderr).toBe("");
  expect(status).toBe(0);
});

test("executions are counted by status and cause", async () => {
  const text = await scrape();
  expect(text).toMatch(/code_interpreter_executions_total\{status="completed",cause="none"\} 1/);
  expect(text).toMatch(/code_interpreter_executions_total\{status="failed",cause="exception"\} 1/);
  expect(text).toMatch(/code_interpreter_pool_takes_total\{start="warm"\} [1-9]/);
  expect(text).toMatch(/code_interpreter_engine_info\{engine="(docker|oci)"\} 1/);
  expect(text).toMatch(/code_interpreter_queue_depth\{state="waiting"\} 0/);
});

test("no label has a value chosen by a caller", async () => {
  const text = await scrape();
  for (const chosen of ["org_secret", "ci_0", "ZeroDivisionError"]) expect(text).not.toContain(chosen);
});

test("the operations port reports every dependency as ready", async () => {
  const answer = await fetch(`${service.operationsUrl}/health/ready`);
  expect(await answer.json()).toEqual({
    status: "ready",
    checks: { redis: true, engine: true, worker_redis: true, pool: true, isolation: true, accepting: true },
  });
});
