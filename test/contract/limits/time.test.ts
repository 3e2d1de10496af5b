import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const LIMIT_MS = 1_000;
/** How late a timer may fire on a busy machine. */
const LATE_MS_MAX = 700;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({ limits: makeLimits({ runKillGraceMs: 1_000 }) });
});
afterAll(() => under.close());

describe("wall time", () => {
  test("below the limit completes", async () => {
    const { end } = await under.run(`import time; time.sleep(${(LIMIT_MS - 300) / 1000})`, { timeoutMs: LIMIT_MS });
    expect(end).toMatchObject({ status: "completed", cause: null, evidence: {}, outcome: "ran" });
    expect(end.usage.run_ms).toBeGreaterThanOrEqual(LIMIT_MS - 300);
  });

  test("above the limit ends at the limit, neither earlier nor much later", async () => {
    const { end } = await under.run("import time; time.sleep(60)", { timeoutMs: LIMIT_MS });
    expect(end).toMatchObject({
      status: "incomplete",
      cause: "timeout",
      outcome: "ran_partly",
      retry_safe: true,
      evidence: { limit: "timeout_ms", limit_value: LIMIT_MS },
    });
    expect(end.usage.run_ms).toBeGreaterThanOrEqual(LIMIT_MS);
    expect(end.usage.run_ms).toBeLessThan(LIMIT_MS + LATE_MS_MAX);
  });

  test("may be limited to one millisecond", async () => {
    const { end } = await under.run("while True: pass", { timeoutMs: 1 });
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { limit_value: 1 } });
  });

  test("that ran out keeps earlier text, outputs and files", async () => {
    const code = `
import sys
print("a line")
print("warning", file=sys.stderr)
display({"text/html": "<b>shown</b>"}, raw=True)
with open("before.txt", "w") as file:
    file.write("whole")
print("an unfinished line", end="")
while True:
    pass`;
    const ran = await under.run(code, { timeoutMs: LIMIT_MS });
    expect(ran.end.cause).toBe("timeout");
    expect(ran.text()).toBe("a line\nan unfinished line");
    expect(ran.text("stderr")).toBe("warning");
    expect(ran.end.outputs).toContainEqual(expect.objectContaining({ type: "html", text: "<b>shown</b>" }));
    expect(ran.files.get("before.txt")?.toString()).toBe("whole");
  });

  test("is enforced by the worker when the runner itself is stopped", async () => {
    const { end, ...ran } = await under.run("import time; print('before'); time.sleep(60)", {
      timeoutMs: LIMIT_MS,
      onEmit: () => under.pause(under.pool.taken.at(-1)?.id ?? ""),
    });
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { limit: "timeout_ms", limit_value: LIMIT_MS } });
    expect(ran.text()).toBe("before");
    expect(end.usage.run_ms).toBeGreaterThanOrEqual(LIMIT_MS + under.limits.runKillGraceMs - 50);
    await under.pool.settled();
    expect(await under.exists(under.pool.taken.at(-1)?.id ?? "")).toBe(false);
  });
});
