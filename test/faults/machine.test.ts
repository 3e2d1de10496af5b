import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FaultWorld, prepareFaults } from "../support/fault-world.ts";

let world: FaultWorld;
afterEach(() => world?.close());

describe("the file store's disk full", () => {
  beforeEach(async () => {
    world = await prepareFaults();
    mkdirSync(`${world.dataFolder}/blobs`);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", `${world.dataFolder}/blobs`]);
  });
  afterEach(() => {
    execFileSync("umount", [`${world.dataFolder}/blobs`]);
  });

  test("a result says which file could not be kept, and later files are kept again; nothing is lost", async () => {
    const caller = await world.caller(await world.start("all"));
    const { ledger } = world;
    const large = await ledger.post(caller, { code: "print('text')\nopen('large.bin', 'wb').write(b'x' * 4_000_000)" });
    expect(large).toMatchObject({ status: "completed", truncated: { files: true }, skipped_files: [{ name: "large.bin" }] });
    expect(large.outputs[0]).toMatchObject({ type: "text", text: "text" });
    const small = await ledger.post(caller, { code: "open('small.bin', 'wb').write(b'x' * 1_000)" });
    expect(small).toMatchObject({ status: "completed", skipped_files: [] });
    await world.settle();
  });
});
