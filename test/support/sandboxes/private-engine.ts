import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "../faults/fault-rig.ts";
import { testEngine } from "./containers.ts";

/** Room for the sandbox image and a little more. The file is sparse. */
const DISK_BYTES = 4 * 2 ** 30;
const START_MS = 60_000;

/** A private Docker engine on its own disk. A test can kill the engine and fill the disk. */
export interface PrivateEngine {
  readonly host: string;
  /** Sends SIGKILL to dockerd, which ends its containerd. Shims and containers keep running. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Sends SIGKILL to a container's shim. */
  killShim(containerId: string): void;
  /** Stops dockerd, its containerd or all shims, as a hang does; the returned function lets them continue. */
  freeze(program: "dockerd" | "containerd" | "shim"): () => void;
  /** Fills the engine's disk; the returned function frees it. */
  fillDisk(): () => void;
  stop(): Promise<void>;
}

/**
 * The image is copied once from the engine of `npm test`: the disk stays in `cacheFolder` under the image's name. dockerd
 * needs root.
 */
export async function startPrivateEngine(image: string, cacheFolder: string): Promise<PrivateEngine> {
  const folder = await mkdtemp(join(tmpdir(), "ci-engine-"));
  const root = join(folder, "root");
  mkdirSync(root);
  const disk = ensureDisk(cacheFolder, image);
  execFileSync("mount", ["-o", "loop", disk, root]);
  const socket = join(folder, "docker.sock");
  const host = `unix://${socket}`;
  const engine = testEngine(host);
  let daemon: ChildProcess | null = null;
  const start = async () => {
    rmSync(join(folder, "docker.pid"), { force: true });
    forgetContainerd(folder);
    daemon = launch(folder, root, host);
    const exited = once(daemon, "exit");
    const up = until("the private engine answers", async () => Boolean(await engine.ping()), START_MS);
    await Promise.race([up, exited.then(() => Promise.reject(new Error(`dockerd ended:\n${tailOf(join(folder, "log"))}`)))]);
  };
  const end = async (signal: NodeJS.Signals) => {
    if (daemon === null || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, "exit");
    daemon.kill(signal);
    await ended;
  };
  const stop = async () => {
    // One that a failed test has stopped could not end.
    for (const pid of processesIn(folder)) signalIfThere(pid, "SIGCONT");
    await end("SIGTERM");
    for (const pid of processesIn(folder)) signalIfThere(pid, "SIGKILL");
    await until("the engine's disk is free", () => unmount(root));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
    await ensureImageIn(host, image);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host,
    start,
    kill: () => end("SIGKILL"),
    killShim(containerId) {
      const shim = processesIn(folder).find((pid) => commandOf(pid).includes("shim") && commandOf(pid).includes(containerId));
      if (shim === undefined) throw new Error(`there is no shim of ${containerId}`);
      process.kill(shim, "SIGKILL");
    },
    freeze(program) {
      const names = { dockerd: /^dockerd\0/, containerd: /^[^\0]*containerd\0/, shim: /^[^\0]*containerd-shim/ };
      const pids = processesIn(folder).filter((pid) => names[program].test(commandOf(pid)));
      if (pids.length === 0) throw new Error(`there is no ${program}`);
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      return () => {
        for (const pid of pids.filter((each) => commandOf(each).includes(folder))) process.kill(pid, "SIGCONT");
      };
    },
    fillDisk() {
      const ballast = join(root, "ballast");
      writeFileSync(ballast, "");
      for (let step = 2 ** 28; step >= 4096; step /= 2) {
        while (freeBytes(root) > step && grow(ballast, step)) {}
      }
      return () => rmSync(ballast);
    },
    stop,
  };
}

function ensureDisk(cacheFolder: string, image: string): string {
  mkdirSync(cacheFolder, { recursive: true });
  const name = `engine-${image.replace(/[^a-zA-Z0-9.]/g, "-")}.ext4`;
  const disk = join(resolve(cacheFolder), name);
  for (const other of readdirSync(cacheFolder)) {
    if (other.endsWith(".ext4") && other !== name) rmSync(join(cacheFolder, other));
  }
  if (existsSync(disk)) return disk;
  execFileSync("truncate", ["-s", String(DISK_BYTES), disk]);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", disk]);
  return disk;
}

async function ensureImageIn(host: string, image: string): Promise<void> {
  const engine = testEngine(host);
  const there = await engine
    .getImage(image)
    .inspect()
    .then(() => true)
    .catch(() => false);
  if (there) return;
  const loading = await engine.loadImage(await testEngine().getImage(image).get());
  loading.resume();
  await once(loading, "end");
}

function launch(folder: string, root: string, host: string): ChildProcess {
  const options = [
    ...["--data-root", root, "--exec-root", join(folder, "exec"), "--pidfile", join(folder, "docker.pid"), "--host", host],
    ...["--bridge=none", "--iptables=false", "--ip-masq=false", "--storage-driver=overlay2"],
  ];
  const log = openSync(join(folder, "log"), "a");
  // In its own network namespace: an engine without a bridge removes docker0, which may belong to another engine.
  return spawn("unshare", ["--net", "dockerd", ...options], { stdio: ["ignore", log, log] });
}

/** Without a reaper of orphans, dockerd takes the zombie containerd of its pid file for a running one and waits for it. */
function forgetContainerd(folder: string): void {
  const file = join(folder, "exec", "containerd", "containerd.pid");
  if (existsSync(file) && !commandOf(Number(readFileSync(file, "utf8"))).includes(folder)) rmSync(file);
}

/** Processes with this folder in their command line: containerd and shims that a killed dockerd left. */
function processesIn(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandOf(pid).includes(folder));
}

function commandOf(pid: number): string {
  try {
    if (readlinkSync(`/proc/${pid}/exe`) === process.execPath) return "";
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}

/** The innermost first: containers of a killed engine leave their mounts. */
function unmount(root: string): boolean {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path === root || path.startsWith(`${root}/`));
  try {
    for (const path of mounts.reverse()) execFileSync("umount", [path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function grow(file: string, bytes: number): boolean {
  try {
    execFileSync("dd", ["if=/dev/zero", `of=${file}`, `bs=${bytes}`, "count=1", "oflag=append", "conv=notrunc"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function tailOf(file: string): string {
  return readFileSync(file, "utf8").split("\n").slice(-15).join("\n");
}
