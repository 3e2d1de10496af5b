import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Sandbox } from "../../../src/sandbox/sandbox.ts";
import type { RunHead } from "../../../src/sandbox/wire/frames.ts";

/** Runs code and returns its output; null if the sandbox was lost. */
export async function runIn(sandbox: Sandbox, code: string): Promise<string | null> {
  await sandbox.send({ kind: "run", head: runHead, body: Buffer.from(code) });
  let text = "";
  for (let frame = await sandbox.receive(); frame !== null; frame = await sandbox.receive()) {
    if (frame.kind === "stdout") text += frame.body.toString();
    if (frame.kind === "done") return text.trim();
  }
  return null;
}

/** Its cgroup folders, one for each hierarchy. */
export function groupsOf(id: string): string[] {
  const roots = ["", ...readdirSync("/sys/fs/cgroup")].map((name) => `/sys/fs/cgroup/${name}/code-interpreter/${id}`);
  return roots.filter((folder) => existsSync(folder));
}

export function processesOf(id: string): number[] {
  return readFileSync(`${groupsOf(id)[0]}/cgroup.procs`, "utf8")
    .split("\n")
    .filter(Boolean)
    .map(Number);
}

export const runHead: RunHead = {
  timeout_ms: 10_000,
  args: [],
  env: {},
  stdout_kept_bytes: 1_000_000,
  stderr_kept_bytes: 1_000_000,
  output_stop_bytes: 10_000_000,
  outputs_count: 100,
  display_bytes: 1_000_000,
  displays_bytes: 1_000_000,
  display_values: 100_000,
  displays_values: 100_000,
  table_rows: 100,
  table_columns: 100,
  chart_points: 100,
  text_value_bytes: 100_000,
  traceback_lines: 100,
  files_count: 10,
  file_bytes: 1_000_000,
  files_bytes: 1_000_000,
  collect_timeout_ms: 5_000,
};
