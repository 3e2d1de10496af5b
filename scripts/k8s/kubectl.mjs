import { spawn } from "node:child_process";
import { SetupError } from "../setup/say.mjs";

/** Runs kubectl; resolves with its output. Rejects with SetupError and kubectl's message if it fails. */
export async function kubectl(args, { input = "", timeoutMs = 60_000 } = {}) {
  const { code, stdout, stderr } = await attempt(args, { input, timeoutMs });
  if (code !== 0) throw new SetupError(`kubectl ${args.join(" ")}: ${stderr.trim() || `exit code ${code}`}`);
  return stdout;
}

/** The same for a command that may be refused: resolves with exit code and output. */
export function attempt(args, { input = "", timeoutMs = 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn("kubectl", args, { stdio: ["pipe", "pipe", "pipe"], timeout: timeoutMs });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", (error) => reject(new SetupError(`kubectl cannot be started: ${error.message}`)));
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** Creates or replaces one object. */
export function apply(object) {
  return kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
}
