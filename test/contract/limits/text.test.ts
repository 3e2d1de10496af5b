import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const STDOUT_KEPT = 1_000;
const STDERR_KEPT = 500;
const STOP = 20_000;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({
    limits: makeLimits({ stdoutKeptBytesMax: STDOUT_KEPT, stderrKeptBytesMax: STDERR_KEPT, outputStopBytesMax: STOP }),
  });
});
afterAll(() => under.close());

describe.each([
  ["stdout", 1, STDOUT_KEPT],
  ["stderr", 2, STDERR_KEPT],
] as const)("%s", (stream, descriptor, kept) => {
  const other = stream === "stdout" ? "stderr" : "stdout";

  test.each([
    ["just below", kept - 1],
    ["at", kept],
  ])("%s its bound is kept completely", async (_, bytes) => {
    const { end, text } = await under.run(`import os; os.write(${descriptor}, b"x" * ${bytes})`);
    expect(end).toMatchObject({ status: "completed", truncated: { stdout: false, stderr: false }, usage: { [`${stream}_bytes`]: bytes } });
    expect(text(stream)).toBe("x".repeat(bytes));
  });

  test.each([
    ["just above", kept + 1],
    ["far above", 10 * kept],
  ])("%s its bound is counted, kept to the exact byte, and marked truncated", async (_, bytes) => {
    const ran = await under.run(`import os; os.write(${descriptor}, b"x" * ${bytes}); os.write(${3 - descriptor}, b"beside")`);
    expect(ran.end).toMatchObject({
      status: "completed",
      truncated: { [stream]: true, [other]: false },
      usage: { [`${stream}_bytes`]: bytes },
    });
    expect(ran.text(stream)).toBe("x".repeat(kept));
    expect(ran.text(other)).toBe("beside");
  });

  test("in pieces is cut at the same byte", async () => {
    const { end, text } = await under.run(`import os\nfor number in range(${kept + 7}): os.write(${descriptor}, b"%d" % (number % 10))`);
    expect(end.usage[`${stream}_bytes`]).toBe(kept + 7);
    expect(text(stream)).toBe(Array.from({ length: kept }, (_, number) => number % 10).join(""));
  });
});

describe("both together", () => {
  test("just below the output stop run to the end", async () => {
    const { end } = await under.run(`import os; os.write(1, b"x" * ${STOP / 2}); os.write(2, b"y" * ${STOP / 2 - 1}); print("", end="")`);
    expect(end).toMatchObject({ status: "completed", usage: { stdout_bytes: STOP / 2, stderr_bytes: STOP / 2 - 1 } });
  });

  test.each([
    ["at", STOP / 2],
    ["above", STOP],
  ])("%s the output stop end the run", async (_, bytes) => {
    const code = `import os, time\nwith open("before.txt", "w") as file: file.write("whole")\nos.write(1, b"x" * ${STOP / 2}); os.write(2, b"y" * ${bytes})\ntime.sleep(60)`;
    const ran = await under.run(code);
    expect(ran.end).toMatchObject({
      status: "incomplete",
      cause: "output",
      outcome: "ran_partly",
      evidence: { limit: "outputStopBytesMax", limit_value: STOP },
      truncated: { stdout: true, stderr: true },
    });
    expect(ran.text()).toBe("x".repeat(STDOUT_KEPT));
    expect(ran.text("stderr")).toBe("y".repeat(STDERR_KEPT));
    expect(ran.files.get("before.txt")?.toString()).toBe("whole");
  });

  test("without end stop long before the time limit", async () => {
    const { end } = await under.run("while True: print('x' * 1000)");
    expect(end).toMatchObject({ status: "incomplete", cause: "output" });
    expect(end.usage.run_ms).toBeLessThan(5_000);
  });
});
