import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { StopReason } from "../../../src/domain/run.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({ limits: makeLimits({ runKillGraceMs: 1_500 }) });
});
afterAll(() => under.close());

const working = `
with open("before.txt", "w") as file:
    file.write("whole")
print("before")
import time
`;
const lastSandbox = () => under.pool.taken.at(-1)?.id ?? "";

/** Runs code and stops it as soon as it has printed something. */
async function stopped(code: string, reason: StopReason) {
  const stop = new AbortController();
  const ran = await under.run(code, { stop: stop.signal, onEmit: () => stop.abort(reason) });
  return { ...ran, existsAfterwards: await under.exists(lastSandbox()) };
}

describe("a cancelled execution", () => {
  test("keeps its text and files, and its container is gone before the result", async () => {
    const ran = await stopped(`${working}time.sleep(60)`, "cancelled");
    expect(ran.end).toMatchObject({ status: "cancelled", cause: "cancelled", outcome: "ran_partly" });
    expect(ran.text()).toBe("before");
    expect(ran.files.get("before.txt")?.toString()).toBe("whole");
    expect(ran.existsAfterwards).toBe(false);
  });

  test("that ignores the interrupt is killed within the grace period, and keeps its text and files", async () => {
    const startedAt = Date.now();
    const ran = await stopped(
      `${working}while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass`,
      "cancelled",
    );
    expect(ran.end).toMatchObject({ status: "cancelled", cause: "cancelled" });
    expect(ran.text()).toBe("before");
    expect(ran.files.get("before.txt")?.toString()).toBe("whole");
    expect(ran.existsAfterwards).toBe(false);
    expect(Date.now() - startedAt).toBeLessThan(8_000);
  });

  test("never started when it was cancelled before it took a sandbox", async () => {
    const { end } = await under.run("print('ran')", { stop: AbortSignal.abort("cancelled" satisfies StopReason) });
    expect(end).toMatchObject({ status: "cancelled", cause: "cancelled", outcome: "never_started", outputs: [] });
  });
});

test.each(["lock_lost", "shutdown"] as const)("an execution stopped for %s loses its sandbox immediately", async (reason) => {
  const ran = await stopped(`${working}time.sleep(60)`, reason);
  expect(ran.end).toMatchObject({ status: "errored", cause: "worker_lost", outcome: "ran_partly", retry_safe: true });
  expect(ran.text()).toBe("before");
  expect(ran.existsAfterwards).toBe(false);
});

describe("a sandbox", () => {
  test("killed from outside during a run is lost, and its text is kept", async () => {
    const ran = await under.run(`${working}time.sleep(60)`, {
      onEmit: () => under.kill(lastSandbox()),
    });
    expect(ran.end).toMatchObject({
      status: "errored",
      cause: "sandbox_lost",
      outcome: "ran_partly",
      retry_safe: true,
      evidence: under.killedEvidence,
    });
    expect(ran.text()).toBe("before");
    await under.pool.settled();
    expect(await under.exists(lastSandbox())).toBe(false);
  });

  test("killed in stock is not used", async () => {
    await expect.poll(() => under.pool.idle, { timeout: 20_000 }).toBe(1);
    const used = new Set(under.pool.taken.map(({ id }) => id));
    const [idle] = (await under.containers()).filter((id) => !used.has(id));
    await under.kill(idle ?? "");
    const { end, text } = await under.run("print(42)");
    expect(end.status).toBe("completed");
    expect(text()).toBe("42");
    expect(lastSandbox()).not.toBe(idle);
  });

  test("is missing while the engine is away, and the execution never starts", async () => {
    const away = await startEngine({ away: true, limits: makeLimits({ sandboxStartTimeoutMsMax: 1_000 }) });
    try {
      const { end } = await away.run("print(42)");
      expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outcome: "never_started", retry_safe: true, outputs: [] });
    } finally {
      await away.close();
    }
  });
});
