import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const folder = new URL("../../ops/prometheus/", import.meta.url).pathname;
const promtool = (...args: string[]) => {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { cwd: folder, encoding: "utf8" });
  expect(error).toBeUndefined();
  return { status, text: stdout + stderr };
};

test("promtool accepts configuration and rules, and the rules' own tests pass", { timeout: 60_000 }, () => {
  for (const args of [
    ["check", "config", "prometheus.yml"],
    ["check", "rules", "rules.yml"],
    ["test", "rules", "rules.test.yml"],
  ]) {
    const { status, text } = promtool(...args);
    expect(text).not.toMatch(/FAILED|error/i);
    expect(status).toBe(0);
  }
});
