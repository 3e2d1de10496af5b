import type { Limits } from "../../domain/limits.ts";
import type { Engine } from "../../domain/run.ts";

/** Hashes the list of file names and hashes, which gives one hash for the whole runner. */
const PROGRAM = `
import hashlib, pathlib
sha256 = lambda data: hashlib.sha256(data).hexdigest()
files = sorted(pathlib.Path("/opt/runner").glob("*.py"))
print(sha256("".join(f"{sha256(file.read_bytes())}  {file.name}\\n" for file in files).encode()) if files else "")`;

/**
 * SHA-256 of the runner in the sandboxes, equal to `sha256sum *.py | sha256sum` in its folder; null when it cannot be
 * read. Measure before any caller's code has run in this worker.
 */
export async function measureRunner(engine: Pick<Engine, "run">, limits: Limits): Promise<string | null> {
  const input = {
    id: "runner-measure",
    organization: "runner-measure",
    attempt: 1,
    code: PROGRAM,
    args: [],
    stdin: "",
    env: {},
    files: [],
    timeoutMs: limits.runTimeoutMsMax,
    memoryMb: limits.memoryMbMax,
  };
  const end = await engine.run(input, silentPorts, new AbortController().signal);
  const text = end.outputs.map((output) => (output.type === "text" ? output.text : "")).join("");
  return end.status === "completed" && /^[0-9a-f]{64}$/.test(text) ? text : null;
}

const silentPorts = {
  openFile: () => Promise.reject(new Error("a measurement has no input files")),
  saveFile: () => Promise.reject(new Error("a measurement keeps no files")),
  emit: () => Promise.resolve(),
};
