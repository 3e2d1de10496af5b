import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EngineUnderTest, startEngine } from "../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine();
});
afterAll(() => under.close());

const LOOKUPS = 200_000;

/** Names in the kernel's cache that belong to no file. */
function namesWithoutFile(): number {
  return Number(readFileSync("/proc/sys/fs/dentry-state", "utf8").trim().split(/\s+/)[4]);
}

// Only on this engine: Docker offers no way to free what a container's cgroup has cached, as SECURITY.md says.
test("names that a sandbox looked up in vain do not stay in the host's memory", async () => {
  const before = namesWithoutFile();
  const { end } = await under.run(`
import os
for at in range(${LOOKUPS}):
    try: os.stat(f"/usr/lib/{at}-" + "x" * 100)
    except FileNotFoundError: pass`);
  expect(end.status).toBe("completed");
  await under.pool.settled();
  expect(namesWithoutFile() - before).toBeLessThan(LOOKUPS / 4);
});
