import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import type { ServiceProcess } from "../support/servers/service.ts";

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

const health = async ({ operationsUrl }: ServiceProcess) => {
  const response = await fetch(`${operationsUrl}/health/ready`);
  const body = (await response.json()) as { checks: Record<string, boolean>; warnings?: string[] };
  return { ...body, status: response.status };
};
const metrics = async ({ operationsUrl }: ServiceProcess) => await (await fetch(`${operationsUrl}/metrics`)).text();
const logged = (service: ServiceProcess, text: string) => service.log.some((line) => line.includes(text));

test("SIGTERM: not ready at once, callers served while the drain lasts, then the listener is closed", async () => {
  const api = await rig.start("api", { SHUTDOWN_DRAIN_MS: "2500" });
  const caller = await rig.caller(api);
  await until("it is ready", async () => (await health(api)).status === 200);
  const stopped = api.stop();
  await until("it is not ready", async () => (await health(api)).checks.accepting === false);
  expect((await fetch(`${api.url}/health/ready`)).status).toBe(503);
  expect((await caller.run({ code: "print(1)" }, { prefer: "respond-async" })).status).toBe(202);
  await until("it refuses connections", () =>
    fetch(api.url).then(
      () => false,
      () => true,
    ),
  );
  expect(await stopped).toBe(0);
});

test("SIGHUP: settings of the file and keys are taken over, wrong ones are not, and no process ends", async () => {
  const settings = `${rig.dataFolder}/settings`;
  writeFileSync(settings, "LOG_LEVEL=info\n");
  // A list that stays the same needs no restart.
  const model = { MODEL_BASE_URL: "http://127.0.0.1:9/v1", MODEL_ALLOWED: "small,large" };
  const api = await rig.start("api", { SETTINGS_FILE: settings, ...model });
  const caller = await rig.caller(api);
  writeFileSync(settings, "LOG_LEVEL=debug\nLIMIT_REQUESTS_PER_MINUTE_PER_KEY_MAX=2\nPUBLIC_URL=http://moved.example\n");
  api.child.kill("SIGHUP");
  await until("it has reloaded", () => logged(api, "settings reloaded"));
  expect(api.log.find((line) => line.includes("settings reloaded"))).toContain('"needRestart":["PUBLIC_URL"]');
  const statuses: number[] = [];
  for (let count = 0; count < 6; count++) statuses.push((await caller.get("/v1/executions")).status);
  expect(statuses).toContain(429);
  writeFileSync(settings, "LOG_LEVEL=loud\n");
  api.child.kill("SIGHUP");
  await until("it refuses them", () => logged(api, "the settings are wrong and were not reloaded"));
  expect((await health(api)).status).toBe(200);
});

test("receipt keys rotate without a restart, and a broken file of them is a warning and a metric", async () => {
  await rig.key("org_a");
  const api = await rig.start("api");
  const file = `${rig.dataFolder}/receipt-keys.json`;
  const kids = async () =>
    ((await (await fetch(`${api.url}/v1/receipt-keys`)).json()) as { keys: Array<{ kid: string }> }).keys.map(({ kid }) => kid);
  const [first] = await kids();
  const { keys } = JSON.parse(readFileSync(file, "utf8")) as { keys: unknown[] };
  const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
  writeFileSync(file, JSON.stringify({ keys: [{ ...(await exportJWK(privateKey)), kid: "new" }, ...keys] }));
  expect(await kids()).toEqual(["new", first]);
  writeFileSync(file, "{");
  expect(await kids()).toEqual(["new", first]);
  expect(await metrics(api)).toContain('code_interpreter_key_file_readable{file="receipt_keys"} 0');
  expect((await health(api)).warnings).toEqual(["RECEIPT_KEY_FILE cannot be read: its last keys are in use"]);
});

test("a broken key file keeps the old keys; without a file every key is refused, and the process is not ready", async () => {
  const api = await rig.start("api");
  const caller = await rig.caller(api);
  const file = `${rig.dataFolder}/keys.json`;
  expect((await caller.get("/v1/executions")).status).toBe(200);
  expect(await metrics(api)).toContain('code_interpreter_key_file_readable{file="keys"} 1');
  writeFileSync(file, "[");
  expect((await caller.get("/v1/executions")).status).toBe(200);
  expect(await metrics(api)).toContain('code_interpreter_key_file_readable{file="keys"} 0');
  expect(await health(api)).toMatchObject({ status: 200, warnings: [expect.stringContaining("KEYS_FILE")] });
  rmSync(file);
  expect((await caller.get("/v1/executions")).status).toBe(401);
  expect(await health(api)).toMatchObject({ status: 503, checks: { keys: false } });
  expect(await metrics(api)).toMatch(/ready\{check="keys"\} 0/);
});
