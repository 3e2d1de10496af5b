import { writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";

let rig: FaultRig;
afterEach(() => rig?.close());

test("the probe counts an execution that callers could run, and what became of it when the api is gone", async () => {
  rig = await prepareFaults();
  const api = await rig.start("api");
  await rig.start("cheap-worker");
  const key = `${rig.dataFolder}/probe-key`;
  writeFileSync(key, `${await rig.key("org_probe")}\n`);
  const probe = await rig.start("probe", { PROBE_URL: api.url, PROBE_KEY_FILE: key, PROBE_INTERVAL_MS: "1000" });
  const counts = async (result: string) => {
    const text = await (await fetch(`${probe.operationsUrl}/metrics`)).text();
    return Number(new RegExp(`probe_runs_total\\{result="${result}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
  };
  // This worker prints its own name, so the answer is wrong: the probe reads outputs and not only statuses.
  await until("it has an answer", async () => (await counts("wrong")) > 0);
  writeFileSync(key, "ci_sk_wrong\n");
  await until("it is refused", async () => (await counts("refused")) > 0);
  await api.kill();
  await until("it reaches nothing", async () => (await counts("unreachable")) > 0);
  expect(await counts("ok")).toBe(0);
  expect(await probe.stop()).toBe(0);
});

test("the probe succeeds with a real worker", async () => {
  rig = await prepareFaults();
  const service = await rig.start("all");
  const key = `${rig.dataFolder}/probe-key`;
  writeFileSync(key, await rig.key("org_probe"));
  const probe = await rig.start("probe", { PROBE_URL: `${service.url}/`, PROBE_KEY_FILE: key });
  await until("it succeeds", async () => {
    const text = await (await fetch(`${probe.operationsUrl}/metrics`)).text();
    return /probe_runs_total\{result="ok"\} 1/.test(text) && /probe_last_success_timestamp_seconds [1-9]/.test(text);
  });
});
