import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limitDefaults, makeLimits } from "../../../src/domain/limits.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

const COUNT = 3;
const FILE_BYTES = 1_000;
const FILES_BYTES = 2_500;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({
    limits: makeLimits({ filesOutCountMax: COUNT, fileOutBytesMax: FILE_BYTES, filesOutBytesMax: FILES_BYTES }),
  });
});
afterAll(() => under.close());

const write = (...sizes: number[]) => sizes.map((bytes, number) => `open("file-${number}", "wb").write(b"x" * ${bytes})`).join("; ");

describe("the number of files", () => {
  test.each([
    ["just below", COUNT - 1],
    ["at", COUNT],
  ])("%s its bound is kept", async (_, count) => {
    const { end, files } = await under.run(write(...Array<number>(count).fill(1)));
    expect([files.size, end.truncated.files, end.skipped_files]).toEqual([count, false, []]);
  });

  test("above its bound is cut, and each skipped file is named with the bound", async () => {
    const { end, files } = await under.run(write(1, 1, 1, 1, 1));
    expect([...files.keys()]).toEqual(["file-0", "file-1", "file-2"]);
    expect(end).toMatchObject({ status: "completed", truncated: { files: true } });
    expect(end.skipped_files.map((file) => file.name)).toEqual(["file-3", "file-4"]);
    for (const { reason } of end.skipped_files) expect(reason).toContain(String(COUNT));
  });
});

describe("the bytes of one file", () => {
  test.each([
    ["none", 0],
    ["just below its bound", FILE_BYTES - 1],
    ["at its bound", FILE_BYTES],
  ])("%s are kept completely", async (_, bytes) => {
    const { end, files } = await under.run(write(bytes));
    expect(files.get("file-0")).toEqual(Buffer.alloc(bytes, "x"));
    expect(end).toMatchObject({ truncated: { files: false }, usage: { file_bytes: bytes } });
  });

  test("above the bound skip the whole file, and keep the others", async () => {
    const { end, files } = await under.run(write(1, FILE_BYTES + 1, 2));
    expect([...files.keys()]).toEqual(["file-0", "file-2"]);
    expect(end).toMatchObject({ status: "completed", truncated: { files: true }, usage: { file_bytes: 3 } });
    expect(end.skipped_files).toEqual([{ name: "file-1", reason: expect.stringContaining(String(FILE_BYTES)) as unknown }]);
  });
});

describe("the bytes of all files", () => {
  test.each([
    ["just below", FILES_BYTES - 2_000 - 1],
    ["at", FILES_BYTES - 2_000],
  ])("%s their bound are kept", async (_, bytes) => {
    const { end, files } = await under.run(write(1_000, 1_000, bytes));
    expect([files.size, end.truncated.files, end.usage.file_bytes]).toEqual([3, false, 2_000 + bytes]);
  });

  test("above the bound skip the files that no longer fit", async () => {
    const { end, files } = await under.run(write(1_000, 1_000, 501));
    expect([...files.keys()]).toEqual(["file-0", "file-1"]);
    expect(end).toMatchObject({ status: "completed", truncated: { files: true } });
    expect(end.skipped_files).toEqual([{ name: "file-2", reason: expect.stringContaining(String(FILES_BYTES)) as unknown }]);
  });
});

test("unchanged input files are neither counted nor returned", async () => {
  const input = ["a", "b", "c", "d"].map((name) => ({ name, bytes: Buffer.alloc(FILE_BYTES + 1) }));
  const { end, files } = await under.run('open("new", "w").write("x")', { files: input });
  expect([...files.keys()]).toEqual(["new"]);
  expect(end).toMatchObject({ truncated: { files: false }, skipped_files: [] });
});

test("arguments and environment at their bounds reach the code, even when JSON escapes every character", async () => {
  const { argsCountMax, argBytesMax, envCountMax, envValueBytesMax } = limitDefaults;
  const args = Array.from({ length: argsCountMax }, () => "\u0001".repeat(argBytesMax));
  const env = Object.fromEntries(Array.from({ length: envCountMax }, (_, at) => [`V${at}`, "\u0001".repeat(envValueBytesMax)]));
  const code = "import os, sys; print(sum(map(len, sys.argv[1:])), sum(len(v) for k, v in os.environ.items() if k[0] == 'V'))";
  const { end } = await under.run(code, { args, env });
  expect([end.status, end.outputs]).toEqual([
    "completed",
    [expect.objectContaining({ type: "text", text: `${argsCountMax * argBytesMax} ${envCountMax * envValueBytesMax}\n` })],
  ]);
});

test("an input file that the code changed is returned as modified", async () => {
  const { end } = await under.run('open("data", "a").write("more")', { files: [{ name: "data", bytes: Buffer.from("some") }] });
  expect(end.outputs).toContainEqual(expect.objectContaining({ type: "file", name: "data", change: "modified", bytes: 8 }));
});
