import type { Limits } from "../../domain/limits.ts";
import type { Engine } from "../../domain/run.ts";
import { printedBy, runProgram } from "./run-program.ts";

/** Prints one hash over the path and hash of every file of the runner. */
const PROGRAM = `
import hashlib, pathlib
sha256 = lambda data: hashlib.sha256(data).hexdigest()
folder = pathlib.Path("/opt/runner")
files = sorted(f"./{file.relative_to(folder)}" for file in folder.rglob("*.py"))
print(sha256("".join(f"{sha256((folder / file).read_bytes())}  {file}\\n" for file in files).encode()) if files else "")`;

/**
 * SHA-256 of the runner as it is in the sandboxes, or null when it cannot be read. In the runner's folder this prints the same:
 * `find . -name '*.py' | LC_ALL=C sort | xargs sha256sum | sha256sum`. Call it before any other code has run in a sandbox.
 */
export async function measureRunner(engine: Pick<Engine, "run">, limits: Limits): Promise<string | null> {
  const end = await runProgram(engine, limits, { name: "runner-measure", code: PROGRAM });
  const text = printedBy(end);
  return end.status === "completed" && /^[0-9a-f]{64}$/.test(text) ? text : null;
}
