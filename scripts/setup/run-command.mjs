import { spawn } from "node:child_process";
import { SetupError } from "./say.mjs";

const TAIL_LINES = 30;

/**
 * Runs a command without input and passes each new line to `progress`. Resolves with its last lines; rejects with them if
 * it fails.
 */
export function runCommand(command, args, { progress = () => {}, env = process.env, cwd, timeoutMs = 30 * 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, cwd, timeout: timeoutMs });
    const tail = collectTail(progress);
    child.stdout.on("data", tail.add);
    child.stderr.on("data", tail.add);
    child.on("error", (error) => reject(new SetupError(`${command} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(tail.lines());
      const ending = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
      reject(new SetupError(`${[command, ...args].join(" ")} ${ending}:\n${tail.lines().join("\n")}`));
    });
  });
}

/** Whether a command ends with exit code 0. */
export async function succeeds(command, args) {
  try {
    await runCommand(command, args, { timeoutMs: 20_000 });
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a long-lived child that ends when this process ends, even by SIGKILL: a companion shell waits on a pipe that the
 * kernel then closes. The child has its own process group, so that Ctrl-C reaches only us and we choose the order.
 */
export function spawnTied(command, args, { stdio = ["ignore", "inherit", "inherit"], env = process.env, cwd } = {}) {
  const script = '(read -r _ <&3; kill -TERM $$ 2>/dev/null) & exec 3<&-; exec "$@"';
  const child = spawn("/bin/sh", ["-c", script, "sh", command, ...args], { stdio: [...stdio, "pipe"], env, cwd, detached: true });
  // Ends the companion with the child. Otherwise its pipe would keep this process alive.
  child.once("exit", () => child.stdio[3].destroy());
  child.stdio[3].on("error", () => {});
  return child;
}

/** Ends the child: SIGTERM, then SIGKILL after `graceMs`. Resolves with whether SIGTERM sufficed. */
export async function endChild(child, graceMs) {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  let forced = false;
  const timer = setTimeout(() => {
    forced = true;
    child.kill("SIGKILL");
  }, graceMs);
  await ended;
  clearTimeout(timer);
  return !forced;
}

function collectTail(progress) {
  const lines = [];
  let rest = "";
  return {
    add: (chunk) => {
      const parts = (rest + chunk).split(/[\r\n]+/);
      rest = parts.pop().slice(-2000);
      for (const part of parts) if (part.trim()) lines.push(part);
      lines.splice(0, Math.max(0, lines.length - TAIL_LINES));
      if (lines.length > 0) progress(lines[lines.length - 1]);
    },
    lines: () => (rest.trim() ? [...lines, rest] : [...lines]),
  };
}
