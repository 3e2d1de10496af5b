import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const MIB = 1024 * 1024;
const WORKING_MB = 8;
const TMP_MB = 4;
const SHARED_MB = 2;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({
    limits: makeLimits({
      workingFolderMbMax: WORKING_MB,
      tmpFolderMbMax: TMP_MB,
      sharedMemoryMbMax: SHARED_MB,
      fileOutBytesMax: 8 * MIB,
      filesOutBytesMax: 8 * MIB,
      filesInBytesMax: 4 * MIB,
    }),
  });
});
afterAll(() => under.close());

const fill = (path: string, bytes: number) => `
with open("${path}", "wb") as file:
    file.write(bytes(${bytes}))
print("written")`;

describe.each([
  ["the working folder", "/mnt/data/.filler", WORKING_MB, "workingFolderMbMax"],
  ["/tmp", "/tmp/filler", TMP_MB, "tmpFolderMbMax"],
  ["/dev/shm", "/dev/shm/filler", SHARED_MB, "sharedMemoryMbMax"],
])("%s", (_, path, megabytes, limit) => {
  test.each([
    ["just below", megabytes * MIB - 1],
    ["at", megabytes * MIB],
  ])("%s its limit accepts all bytes", async (_where, bytes) => {
    const { end, text } = await under.run(fill(path, bytes));
    expect(end).toMatchObject({ status: "completed", evidence: {} });
    expect(text()).toBe("written");
  });

  test("above its limit ends the code, and keeps earlier outputs", async () => {
    const ran = await under.run(
      `print("before")\nwith open("small.txt", "w") as file: file.write("x")\n${fill(path, megabytes * MIB + 1)}`,
    );
    expect(ran.end).toMatchObject({
      status: "incomplete",
      cause: "disk",
      outcome: "ran_partly",
      evidence: { exit_code: 1, limit, limit_value: megabytes },
    });
    expect(ran.text()).toBe("before");
    expect(ran.files.get("small.txt")?.toString()).toBe("x");
    expect(ran.end.outputs).toContainEqual(expect.objectContaining({ type: "error", name: "OSError" }));
  });
});

test("many files together have the same bound as one", async () => {
  const code = `for number in range(${WORKING_MB + 1}):\n    with open(f".filler-{number}", "wb") as file:\n        file.write(bytes(1 << 20))\n    print(number)`;
  const { end, text } = await under.run(code);
  expect(end).toMatchObject({ status: "incomplete", cause: "disk", evidence: { limit: "workingFolderMbMax", limit_value: WORKING_MB } });
  expect(text().split("\n").at(-1)).toBe(String(WORKING_MB - 1));
});

test("a full disk that the code handles is not a failure", async () => {
  const { end } = await under.run(
    `try:\n    with open(".filler", "wb") as file: file.write(bytes(${WORKING_MB} << 20) + b"x")\nexcept OSError: print("enough")`,
  );
  expect(end).toMatchObject({ status: "completed", cause: null });
});
