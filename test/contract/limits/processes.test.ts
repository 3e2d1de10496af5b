import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const PROCESSES_MAX = 16;
/** The supervisor and the code process. */
const OWN = 2;
const OPEN_FILES_MAX = 128;
/** Standard input, output, error, the channel for results, and one spare to describe an error when all others are used. */
const OWN_FILES = 5;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({ limits: makeLimits({ processesMax: PROCESSES_MAX, openFilesMax: OPEN_FILES_MAX }) });
});
afterAll(() => under.close());

const threads = (count: number) =>
  `import threading\ngate = threading.Event()\nfor number in range(${count}):\n    threading.Thread(target=gate.wait).start()\n    print(number + 1)\ngate.set()`;
const forks = (count: number) =>
  `import os, time\nfor number in range(${count}):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)\n    print(number + 1)`;
const lastLine = (text: string) => text.split("\n").at(-1);

describe.each([
  ["threads", threads],
  ["processes", forks],
])("%s", (_, program) => {
  test.each([
    ["just below", PROCESSES_MAX - OWN - 1],
    ["at", PROCESSES_MAX - OWN],
  ])("%s the limit all start", async (_where, count) => {
    const { end, text } = await under.run(program(count));
    expect(end).toMatchObject({ status: "completed", evidence: {} });
    expect(lastLine(text())).toBe(String(count));
  });

  test("above the limit are refused, which ends code that does not handle it", async () => {
    const { end, text } = await under.run(`${program(PROCESSES_MAX - OWN + 1).replace("gate.wait)", "gate.wait, daemon=True)")}`);
    expect(end).toMatchObject({
      status: "incomplete",
      cause: "processes",
      outcome: "ran_partly",
      evidence: { exit_code: 1, limit: "processesMax", limit_value: PROCESSES_MAX },
    });
    expect(end.evidence.processes_refused).toBeGreaterThanOrEqual(1);
    expect(lastLine(text())).toBe(String(PROCESSES_MAX - OWN));
    expect(end.outputs).toContainEqual(expect.objectContaining({ type: "error" }));
  });
});

test("a refused process that the code handles is not a failure", async () => {
  const { end } = await under.run(
    `import os, time\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\nexcept BlockingIOError:\n    print("enough")`,
  );
  expect(end).toMatchObject({ status: "completed", cause: null });
});

describe("open files", () => {
  test("just below and at the limit open", async () => {
    for (const count of [OPEN_FILES_MAX - OWN_FILES - 1, OPEN_FILES_MAX - OWN_FILES]) {
      const { end } = await under.run(`files = [open("/dev/null") for _ in range(${count})]`);
      expect(end.status).toBe("completed");
    }
  });

  test("above the limit are refused with the system's error", async () => {
    const { end, text } = await under.run('import os\nfor number in range(1000):\n    os.open("/dev/null", 0)\n    print(number + 1)');
    expect(end).toMatchObject({ status: "failed", cause: "exception" });
    expect(end.outputs).toContainEqual(
      expect.objectContaining({ type: "error", name: "OSError", value: expect.stringContaining("Too many open files") as unknown }),
    );
    expect(lastLine(text())).toBe(String(OPEN_FILES_MAX - OWN_FILES));
  });
});
