import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { engineName } from "../support/sandboxes/engine.ts";
import { aliveOf, madeBy } from "../support/sandboxes/made-by.ts";
import { client, type Json, prepareService, type TestService } from "../support/servers/service.ts";

let world: TestService;
beforeEach(async () => {
  world = await prepareService();
});
afterEach(() => world.stop());

describe("api and workers as separate processes", () => {
  test("an execution of a killed worker runs again on another, once, and leaves no container", async () => {
    const api = await world.start("api");
    const { run, get } = client(api.url, await world.key("org_a"));
    const doomed = await world.start("worker");
    const accepted = await run(
      { code: "import time\nprint('began', flush=True)\ntime.sleep(3)\nprint('ended')" },
      { prefer: "respond-async" },
    );
    const path = accepted.headers.get("location") as string;
    await vi.waitFor(async () => expect((await get(path)).json.status).toBe("in_progress"), { timeout: 10_000 });
    // The other starts afterwards: on a busy machine a start takes longer than the code does.
    doomed.child.kill("SIGKILL");
    const heir = await world.start("worker");
    await vi.waitFor(async () => expect((await get(path)).json.status).toBe("completed"), { timeout: 45_000, interval: 250 });
    const { json } = await get(path);
    expect(json).toMatchObject({ attempt: 2, outputs: [{ text: "began\nended\n" }] });
    await vi.waitFor(async () => expect(await aliveOf(doomed)).toEqual([]), { timeout: 15_000, interval: 250 });
    expect(await heir.stop()).toBe(0);
  });

  test("a stop under load finishes running executions, refuses new ones, and leaves nothing", async () => {
    const service = await world.start("all");
    const { run } = client(service.url, await world.key("org_a"));
    const answers = Array.from({ length: 6 }, (_, turn) => run({ code: `import time; time.sleep(1.5); print(${turn})` }));
    await vi.waitFor(() => expect(service.log.length).toBeGreaterThan(0));
    const { get } = client(service.url, await world.key("org_a"));
    await vi.waitFor(async () => {
      const { json } = await get("/v1/executions?limit=50");
      expect(json.data.filter((execution: Json) => execution.status === "in_progress")).toHaveLength(6);
    });
    const code = service.stop();
    for (const answer of await Promise.all(answers)) expect(answer.json).toMatchObject({ status: "completed" });
    expect(await code).toBe(0);
    expect(await madeBy(service)).toEqual([]);
  });

  test("without Redis the api fails at once, and works again when Redis is back", async () => {
    const service = await world.start("all");
    const { run } = client(service.url, await world.key("org_a"));
    await world.redis.kill();
    const began = performance.now();
    const refused = await run({ code: "print(1)" });
    expect(refused.status).toBe(503);
    expect(refused.json.error.code).toBe("queue_unavailable");
    expect(refused.headers.get("retry-after")).not.toBeNull();
    expect(performance.now() - began).toBeLessThan(5_000);
    await world.redis.restart();
    await vi.waitFor(async () => expect((await run({ code: "print(1)" })).json.status).toBe("completed"), {
      timeout: 30_000,
      interval: 500,
    });
  });
});

describe("a wrong configuration", () => {
  test.each([
    [{ PORT: "eighty" }, /PORT: .* \(is "eighty"\)/],
    [{ LIMIT_RUN_TIMEOUT_MS_MAX: "-1" }, /LIMIT_RUN_TIMEOUT_MS_MAX: must be a positive whole number/],
    [{ LIMIT_MEMORY_MB_MAX: "200" }, /tmpfs counts as memory/],
    [{ LIMIT_NO_SUCH: "1" }, /LIMIT_NO_SUCH: no such limit can be set/],
  ])("%j stops the start, naming variable, rule and value", (env, message) => {
    const { status, stderr } = spawnSync(process.execPath, ["dist/main/api.js"], {
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  test("a missing image stops the worker's start and is named", async () => {
    const missing = { SANDBOX_IMAGE: "no-such-image:none", SANDBOX_ROOTFS: "/nowhere/root" };
    const message = engineName === "oci" ? /SANDBOX_ROOTFS: .*setup\.mjs rootfs/ : /npm run image/;
    await expect(world.start("worker", missing)).rejects.toThrow(message);
  });
});
