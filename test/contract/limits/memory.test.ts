import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const MIB = 1024 * 1024;
const LIMIT_MB = 160;
/** Share of interpreter, supervisor and kernel in the limit. */
const OWN_MB = 30;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({
    limits: makeLimits({
      memoryMbMax: LIMIT_MB,
      workingFolderMbMax: 64,
      tmpFolderMbMax: 16,
      sharedMemoryMbMax: 16,
      fileOutBytesMax: 1 * MIB,
      filesOutBytesMax: 1 * MIB,
      filesInBytesMax: 8 * MIB,
    }),
  });
});
afterAll(() => under.close());

const memoryEnd = (limitMb: number) => ({
  status: "incomplete",
  cause: "memory",
  outcome: "ran_partly",
  evidence: { limit: "memory_bytes", limit_value: limitMb * MIB },
});

describe("memory", () => {
  test("below the limit is available", async () => {
    const { end, text } = await under.run(`block = b"x" * (${LIMIT_MB - OWN_MB} << 20); print(len(block) >> 20)`);
    expect(end).toMatchObject({ status: "completed", evidence: {} });
    expect(text()).toBe(String(LIMIT_MB - OWN_MB));
    expect(end.usage.memory_peak_bytes).toBeGreaterThan((LIMIT_MB - OWN_MB) * MIB);
    expect(end.usage.memory_peak_bytes).toBeLessThanOrEqual(LIMIT_MB * MIB);
  });

  test("at the limit is refused, because the interpreter needs part of it", async () => {
    const { end } = await under.run(`block = b"x" * (${LIMIT_MB} << 20)`);
    expect(end).toMatchObject(memoryEnd(LIMIT_MB));
  });

  test("above the limit ends the code with the kernel's count as evidence, and keeps earlier outputs", async () => {
    const code = 'print("before")\nwith open("before.txt", "w") as file: file.write("whole")\nblock = b"x" * (1 << 30)\nprint("after")';
    const ran = await under.run(code);
    expect(ran.end).toMatchObject(memoryEnd(LIMIT_MB));
    expect(ran.end.evidence.oom_kills).toBeGreaterThanOrEqual(1);
    expect(ran.end.evidence.memory_peak_bytes).toBeGreaterThan((LIMIT_MB - OWN_MB) * MIB);
    expect(ran.text()).toBe("before");
    expect(ran.files.get("before.txt")?.toString()).toBe("whole");
  });

  test("of a child above the limit is reported, even though the code itself completed", async () => {
    const ran = await under.run(
      'import os\nchild = os.fork()\nif child == 0:\n    block = b"x" * (1 << 30)\nstatus = os.waitpid(child, 0)[1]\nprint("killed by", status)',
    );
    expect(ran.end).toMatchObject({ ...memoryEnd(LIMIT_MB), evidence: { exit_code: 0, limit: "memory_bytes" } });
    expect(ran.end.evidence.oom_kills).toBeGreaterThanOrEqual(1);
    expect(ran.text()).toBe("killed by 9");
  });

  test("includes files in tmpfs", async () => {
    const code =
      'with open("held", "wb") as file:\n    for _ in range(60): file.write(bytes(1 << 20))\nblock = b"x" * (110 << 20)\nprint("after")';
    expect((await under.run(code.replace("range(60)", "range(0)"))).end.status).toBe("completed");
    expect((await under.run(code)).end).toMatchObject(memoryEnd(LIMIT_MB));
  });

  test("has the request's lower limit", async () => {
    const code = 'block = b"x" * (96 << 20); print("fits")';
    expect((await under.run(code, { memoryMb: LIMIT_MB })).end.status).toBe("completed");
    expect((await under.run(code, { memoryMb: 96 })).end).toMatchObject(memoryEnd(96));
  });

  test("that Python itself refuses is an exception of the code", async () => {
    const { end } = await under.run("block = bytearray(1 << 62)");
    expect(end).toMatchObject({ status: "failed", cause: "exception" });
    expect(end.outputs).toContainEqual(expect.objectContaining({ type: "error", name: "MemoryError" }));
  });
});
