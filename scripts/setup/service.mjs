import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { spawnTied } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

const READY_MS_MAX = 120_000;
const PORTS_TRIED = 50;
const LOG_LINES = 20;
/** In MiB. Under load V8 grows its two young-generation semi-spaces to 16 each, which is no faster here. */
const SEMI_SPACE = "--max-semi-space-size=4";

/** Starts api and worker in one child process that ends with this one. Its log goes to `logFile`. */
export function launchService({ root, env, logFile }) {
  rmSync(logFile, { force: true });
  const log = openSync(logFile, "a", 0o600);
  const command = [SEMI_SPACE, path.join(root, "dist/main/all.js")];
  const child = spawnTied(process.execPath, command, { stdio: ["ignore", log, log], env, cwd: root });
  closeSync(log);
  return { child, url: `http://${reachable(env.HOST)}:${env.PORT}` };
}

/** Resolves once the service is ready to run code. */
export function waitUntilReady({ child, url, logFile }) {
  return step("service", async (progress) => {
    const deadline = performance.now() + READY_MS_MAX;
    let answer = "no answer yet";
    while (performance.now() < deadline) {
      if (hasEnded(child)) throw new SetupError(`The service ended during its start. The end of ${logFile}:\n${lastLines(logFile)}`);
      answer = await readiness(url);
      if (answer === "ready") return { note: `ready at ${url}` };
      progress(answer);
      await pause(100);
    }
    throw new SetupError(
      `The service is not ready after ${READY_MS_MAX / 1000} s (${answer}). The end of ${logFile}:\n${lastLines(logFile)}`,
    );
  });
}

async function readiness(url) {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
    return response.ok ? "ready" : `health/ready: ${(await response.text()).slice(0, 300)}`;
  } catch (error) {
    return error.cause?.code ?? error.message;
  }
}

export function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

export function lastLines(file) {
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-LOG_LINES).join("\n") : "(no log)";
}

/** The address at which a local client reaches a server that listens on `host`. */
function reachable(host) {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** The first free port from `first` on that is not in `except`. */
export async function freePort(host, first, except = []) {
  for (let port = first; port < first + PORTS_TRIED; port++) {
    if (!except.includes(port) && (await isFree(host, port))) return port;
  }
  throw new SetupError(`No port from ${first} to ${first + PORTS_TRIED - 1} is free on ${host}.`);
}

export function isFree(host, port) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", (error) =>
      ["EADDRINUSE", "EACCES"].includes(error.code) ? resolve(false) : reject(new SetupError(`HOST=${host}: ${error.message}`)),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
