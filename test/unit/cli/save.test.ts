import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { safeParts, saveInto } from "../../../src/cli/save.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-save-"));
  return () => rm(folder, { recursive: true, force: true });
});

async function* bytes(text: string) {
  yield Buffer.from(text);
}

test("names lose everything that leaves the folder or controls a terminal", () => {
  expect(safeParts("../../etc/passwd")).toEqual(["__", "__", "etc", "passwd"]);
  expect(safeParts("/a//./b")).toEqual(["a", "b"]);
  expect(safeParts("a\\b:c\u001b[2J")).toEqual(["a_b_c␛[2J"]);
  expect(safeParts("..")).toEqual(["__"]);
  expect(safeParts("")).toEqual(["file"]);
});

test("folders in a name are created", async () => {
  const path = await saveInto(join(folder, "out"), "a/b/c.txt", bytes("x"), { overwrite: false });
  expect(path).toBe(join(folder, "out/a/b/c.txt"));
  expect(await readFile(path, "utf8")).toBe("x");
});

test("a dangling link is not followed: the file gets the next name", async () => {
  const target = join(folder, "elsewhere");
  await symlink(target, join(folder, "a.txt"));
  const path = await saveInto(folder, "a.txt", bytes("x"), { overwrite: false });
  expect(path).toBe(join(folder, "a-1.txt"));
  expect(await readdir(folder)).not.toContain("elsewhere");
});

test("overwriting refuses anything but a regular file", async () => {
  await writeFile(join(folder, "real"), "kept");
  await symlink(join(folder, "real"), join(folder, "a.txt"));
  await expect(saveInto(folder, "a.txt", bytes("x"), { overwrite: true })).rejects.toThrow("not a regular file");
  expect(await readFile(join(folder, "real"), "utf8")).toBe("kept");
});

test("a file that did not arrive completely is removed", async () => {
  async function* broken() {
    yield Buffer.from("half");
    throw new Error("connection lost");
  }
  await expect(saveInto(folder, "a.txt", broken(), { overwrite: false })).rejects.toThrow("connection lost");
  expect(await readdir(folder)).toEqual([]);
});
