import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { canInstall, findCommand, installPackages } from "./debian.mjs";
import { askJson, engineAt } from "./engine-api.mjs";
import { runCommand, succeeds } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

const DEFAULT_SOCKET = "/var/run/docker.sock";
const START_MS_MAX = 60_000;
const LOG_LINES = 15;

/**
 * Ensures that a Docker engine answers. Returns `engine` for requests, its `host` as a DOCKER_HOST, and `startedBySetup`.
 * Setup never stops or changes an engine that it did not start.
 */
export function ensureEngine({ dataFolder, env = process.env }) {
  return step("Docker engine", async (progress) => {
    const found = await findEngine(env);
    if (found) return { ...found, startedBySetup: isOurs(dataFolder), note: describe(found) };
    if (env.DOCKER_HOST) throw new SetupError(`No Docker engine answers at DOCKER_HOST=${env.DOCKER_HOST}.`);
    if (existsSync(DEFAULT_SOCKET) && process.getuid?.() !== 0) {
      throw new SetupError(
        `${DEFAULT_SOCKET} exists, but no engine answers on it for user ${os.userInfo().username}.\n` +
          "Start Docker, or give this user access (as root: usermod -aG docker USER, then log in again).",
      );
    }
    if (!findCommand("dockerd")) {
      await installPackages(["docker.io", "iptables"], {
        progress,
        why: "There is no Docker engine on this machine. Docker 20.10 or newer runs the sandboxes.",
      });
    }
    if (!canInstall() && process.getuid?.() !== 0) {
      throw new SetupError(
        "Docker is installed but not running, and only root can start it. Start it (systemctl start docker) and try again.",
      );
    }
    const engine = (await startService(progress)) ?? (await startDaemon(dataFolder, progress));
    return { ...engine, startedBySetup: isOurs(dataFolder), note: `started, ${describe(engine)}` };
  });
}

/** The engine that answers at DOCKER_HOST or at a usual socket; null if none does. */
export async function findEngine(env) {
  const home = os.homedir();
  const sockets = [
    DEFAULT_SOCKET,
    env.XDG_RUNTIME_DIR && path.join(env.XDG_RUNTIME_DIR, "docker.sock"),
    path.join(home, ".docker/run/docker.sock"),
    path.join(home, ".colima/default/docker.sock"),
    path.join(home, ".orbstack/run/docker.sock"),
  ];
  const hosts = env.DOCKER_HOST ? [env.DOCKER_HOST] : sockets.filter((file) => file && existsSync(file)).map((file) => `unix://${file}`);
  for (const host of hosts) {
    const engine = engineAt(host, env);
    const version = await versionOf(engine);
    if (version) return { engine, host, version };
  }
  return null;
}

/** The engine's version; null if it does not answer in time. */
async function versionOf(engine) {
  try {
    return (await askJson(engine, { path: "/version", idleMs: 5_000 })).Version ?? "unknown version";
  } catch {
    return null;
  }
}

function describe({ host, version }) {
  return `${version} answers at ${host}`;
}

/** Starts the installed service with systemd; null if there is no systemd or the engine does not answer. */
async function startService(progress) {
  if (!existsSync("/run/systemd/system")) return null;
  progress("systemctl start docker");
  if (!(await succeeds("systemctl", ["start", "docker"]))) return null;
  return waitForEngine({ progress, isAlive: () => true, msMax: 10_000 });
}

/** Starts dockerd directly: with defaults first, then with fewer demands on the machine. */
async function startDaemon(dataFolder, progress) {
  const other = removeLeftovers();
  if (other) {
    const engine = await waitForEngine({ progress, isAlive: () => isRunning(other, "dockerd"), msMax: START_MS_MAX });
    if (engine) return engine;
    throw new SetupError(
      `A dockerd runs as process ${other} but does not answer at ${DEFAULT_SOCKET}. Look at its log, or stop it and try again.`,
    );
  }
  await ensureControlGroups(progress);
  const logFile = path.join(dataFolder, "dockerd.log");
  mkdirSync(dataFolder, { recursive: true });
  const noBridge = ["--iptables=false", "--bridge=none"];
  const attempts = [noBridge, [...noBridge, "--storage-driver=vfs"]];
  if (await succeeds("iptables", ["-t", "nat", "-L", "-n"])) attempts.unshift([]);
  for (const options of attempts) {
    progress(["dockerd", ...options].join(" "));
    const pid = launch(options, logFile);
    const engine = await waitForEngine({ progress, isAlive: () => isRunning(pid, "dockerd"), msMax: START_MS_MAX });
    if (engine) {
      writeFileSync(pidFile(dataFolder), `${pid}\n`);
      return engine;
    }
    await endDaemon(pid);
  }
  const log = lastLines(logFile);
  throw new SetupError(`dockerd does not stay up. ${likelyCause(log)}\nThe end of ${logFile}:\n${log}`);
}

function launch(options, logFile) {
  rmSync(logFile, { force: true });
  const log = openSync(logFile, "a");
  const child = spawn(findCommand("dockerd"), options, { detached: true, stdio: ["ignore", log, log] });
  child.on("error", () => {});
  child.unref();
  closeSync(log);
  return child.pid;
}

async function waitForEngine({ progress, isAlive, msMax }) {
  const host = `unix://${DEFAULT_SOCKET}`;
  const engine = engineAt(host);
  const deadline = performance.now() + msMax;
  while (performance.now() < deadline && isAlive()) {
    const version = await versionOf(engine);
    if (version) return { engine, host, version };
    progress("waiting for the engine to answer");
    await pause(200);
  }
  return null;
}

/** Removes the pid file and socket of a killed dockerd; returns the process id of one that is still running. */
function removeLeftovers() {
  for (const file of ["/var/run/docker.pid", "/run/docker.pid"]) {
    if (!existsSync(file)) continue;
    const pid = Number(readFileSync(file, "utf8"));
    if (isRunning(pid, "dockerd")) return pid;
    rmSync(file, { force: true });
  }
  rmSync(DEFAULT_SOCKET, { force: true });
  return null;
}

/** dockerd needs cgroups mounted. Machines without an init system may lack them. */
async function ensureControlGroups(progress) {
  if (/ - cgroup2? /.test(readFileSync("/proc/self/mountinfo", "utf8"))) return;
  progress("mounting cgroups");
  await runCommand("mount", ["-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], { progress }).catch(() => {});
}

async function endDaemon(pid) {
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    if (!isRunning(pid, "dockerd")) return;
    process.kill(pid, signal);
    for (let waits = 0; waits < 50 && isRunning(pid, "dockerd"); waits++) await pause(100);
  }
}

/** A zombie does not count as running: a child that died early may not be reaped yet. */
function isRunning(pid, name) {
  try {
    const [, command, state] = readFileSync(`/proc/${pid}/stat`, "utf8").match(/\((.*)\) (\S)/);
    return command === name && state !== "Z";
  } catch {
    return false;
  }
}

function isOurs(dataFolder) {
  try {
    return isRunning(Number(readFileSync(pidFile(dataFolder), "utf8")), "dockerd");
  } catch {
    return false;
  }
}

/** How to stop an engine that setup started; scripts print it at their end. */
export function howToStop(dataFolder) {
  return `The Docker engine that setup started keeps running; stop it with: kill $(cat ${pidFile(dataFolder)})`;
}

function pidFile(dataFolder) {
  return path.join(dataFolder, "dockerd.pid");
}

function lastLines(file) {
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-LOG_LINES).join("\n") : "(no log)";
}

const causes = [
  [
    /cgroup.*(mount|not found)|Devices cgroup/i,
    "Control groups are not mounted. The machine, or the container around it, must provide them.",
  ],
  [/iptables|Chain|nf_tables/i, "It cannot use iptables on this kernel."],
  [/overlay|storage.driver|graphdriver/i, "Its storage driver does not work on this filesystem."],
  [/permission denied|operation not permitted/i, "It lacks privileges. Inside a container, that container must be privileged."],
  [/containerd/i, "Its containerd does not start."],
];

/** An explanation of the end of dockerd's log; empty if it is not known. */
export function likelyCause(log) {
  return causes.find(([pattern]) => pattern.test(log))?.[1] ?? "";
}
