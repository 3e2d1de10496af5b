import { spawn } from "node:child_process";
import path from "node:path";
import { ensurePythonTools } from "./python-tools.mjs";

const FOLDERS = ["keeper", "sandbox-image", "clients/python", "test/clients/python"];

/** mypy, ruff and ruff format over all Python code; each counts as one test. */
export async function checkPython(context) {
  const bin = await ensurePythonTools(context);
  const tools = [
    ["mypy", []],
    ["ruff", ["check", ...FOLDERS]],
    ["ruff", ["format", "--check", ...FOLDERS]],
  ];
  const failures = [];
  for (const [tool, args] of tools) {
    const { code } = await runPrinted(path.join(bin, tool), args, context);
    if (code !== 0) failures.push(`${tool} ${args[0] === "format" ? "format " : ""}found problems`);
  }
  return { passed: tools.length - failures.length, failed: failures.length, skipped: 0, failures };
}

/** pytest of the keeper's tests on this machine's python3. `count` reads pytest's output. */
export async function testKeeper(context, count) {
  const bin = await ensurePythonTools(context);
  const args = ["-B", "-m", "pytest", "-q", "-rfEs", "--color=no", "-p", "no:cacheprovider", ...context.args, "keeper/tests"];
  const { code, printed } = await runPrinted(path.join(bin, "python"), args, context);
  return count(printed, code);
}

/** Runs a program and prints its output; resolves with its exit code and that output. */
function runPrinted(command, args, { root, env, print }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => {
        printed += text;
        print(text);
      });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, printed }));
  });
}
