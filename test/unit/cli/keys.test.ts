import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { beforeEach, expect, test } from "vitest";
import { createKeyCommand, revokeKeyCommand } from "../../../src/cli/keys.ts";
import { Printer } from "../../../src/cli/printer.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-keys-"));
  return () => rm(folder, { recursive: true, force: true });
});

test("created and revoked keys are logged beside the key file, by id and account, with mode 0600 and without the secret", async () => {
  const stdout = new PassThrough();
  const context = { environment: { DATA_DIR: folder }, printer: new Printer(stdout, new PassThrough()) };
  await createKeyCommand({ org: "org_a", scopes: "read" }, context);
  const text = String(stdout.read()).trim();
  const id = `key_${text.split("_")[2]}`;
  await revokeKeyCommand(id, context);
  await expect(revokeKeyCommand(id, context)).rejects.toThrow(/There is no key/);

  const file = join(folder, "audit.log");
  const written = await readFile(file, "utf8");
  const shared = {
    level: "info",
    process: "cli",
    audit: true,
    outcome: "done",
    actor: { uid: process.getuid?.() ?? null },
    target: id,
    msg: "audit",
  };
  expect(
    written
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { ...shared, action: "key.created", time: expect.any(String) },
    { ...shared, action: "key.revoked", time: expect.any(String) },
  ]);
  expect(written).not.toContain(text.split("_")[3]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});
