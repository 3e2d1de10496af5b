import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type DockerProxy, startDockerProxy } from "../support/servers/docker-proxy.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

/** An engine whose containers lose a wall while a worker serves, as by a change of its settings or of its runtime. */
let engine: DockerProxy;
let service: TestService;
beforeAll(async () => {
  engine = await startDockerProxy(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");
  service = await prepareService();
});
afterAll(async () => {
  await service.stop();
  await engine.stop();
});

const PATIENCE = { timeout: 60_000, interval: 200 };
const checksOf = async (service: ServiceProcess) => {
  const answer = await fetch(`${service.operationsUrl}/health/ready`);
  return { status: answer.status, checks: ((await answer.json()) as { checks: Record<string, boolean> }).checks };
};
const metricsOf = async (service: ServiceProcess) => (await fetch(`${service.operationsUrl}/metrics`)).text();

test("a worker whose sandboxes lose a protection goes out of service, and another takes over", async () => {
  const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", LIMIT_SELF_CHECK_INTERVAL_MS: "200" };
  const api = await service.start("api");
  const worker = await service.start("worker", { ...env, DOCKER_HOST: engine.host });
  const { run, call } = client(api.url, await service.key("org_a"));
  const session = await call("POST", "/v1/containers", {});
  await vi.waitFor(async () => expect(await metricsOf(worker)).toMatch(/selfcheck_runs_total\{result="held"\} [1-9]/), PATIENCE);
  await vi.waitFor(async () => expect(await checksOf(worker)).toMatchObject({ status: 200, checks: { isolation: true } }), PATIENCE);

  engine.weaken((options) => {
    (options.HostConfig ?? {}).SecurityOpt = ["no-new-privileges", "seccomp=unconfined"];
  });
  await vi.waitFor(async () => expect(await checksOf(worker)).toMatchObject({ status: 503, checks: { isolation: false } }), PATIENCE);
  const metrics = await metricsOf(worker);
  expect(metrics).toMatch(/selfcheck_failures_total\{check="syscalls"\} [1-9]/);
  expect(metrics).toMatch(/code_interpreter_ready\{check="isolation"\} 0/);
  expect(metrics).toMatch(/code_interpreter_executions_total\{status="completed",cause="none"\} 0/);
  const line = worker.log.map((text) => JSON.parse(text)).find(({ level }) => level === "fatal");
  expect(line).toMatchObject({ checks: ["syscalls"], msg: expect.stringContaining("goes out of service") });

  // Its session is lost, and nothing new is taken: what comes waits for a worker that is sound.
  await vi.waitFor(async () => expect((await call("GET", `/v1/containers/${session.json.id}`)).json.status).not.toBe("active"), PATIENCE);
  const waiting = await run({ code: "print(42)" }, { prefer: "respond-async" });
  const sound = await service.start("worker", env);
  await vi.waitFor(
    async () => expect((await call("GET", `/v1/executions/${waiting.json.id}`)).json).toMatchObject({ status: "completed", attempt: 1 }),
    PATIENCE,
  );
  expect(await metricsOf(sound)).toMatch(/code_interpreter_executions_total\{status="completed",cause="none"\} 1/);
  expect(await worker.stop()).toBe(0);
}, 120_000);

test("a worker whose sandboxes have a network does not start to serve", async () => {
  engine.weaken((options) => {
    (options.HostConfig ?? {}).NetworkMode = "host";
    options.NetworkDisabled = false;
    delete options.Hostname;
  });
  const start = service.start("worker", { DOCKER_HOST: engine.host });
  await expect(start).rejects.toThrow("has a network interface besides lo");
});
