import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Limits } from "../limits.ts";
import type { Log } from "../observe/log.ts";
import { containerConfig } from "./profile.ts";

const START_TIMEOUT_MS = 60_000;
const ZYGOTE_FORKS_MAX = 1_000;
const ZYGOTE_AGE_S_MAX = 600;
const STOP_TIMEOUT_MS = 15_000;
/** First host id of the ranges that the keeper gives out; it sets each sandbox's own. */
const FIRST_HOST_ID = 0x2000_0000;
const CGROUP = "/code-interpreter";

export interface KeeperOptions {
  /** Folder of the sandbox image's root file system. */
  rootfs: string;
  /** crun or runc, by name or path. */
  runtime: string;
  /** Folder for running containers and the socket; on a machine, one a keeper. */
  state: string;
  /** Account that may use the socket. */
  ownerUid: number;
  /** Lets the kernel favour moves between cgroups, which is a setting of the whole host. */
  fastJoins: boolean;
  /** Containers that may exist at one time. */
  containersMax: number;
  /** Forks after which a zygote is replaced, and its age: no address layout or hash seed lives for ever. */
  zygoteForksMax?: number;
  seccomp: object;
  limits: Limits;
  log: Log;
}

export interface Keeper {
  readonly socket: string;
  readonly pid: number;
  /** Aborted when the keeper ends without having been asked to. */
  readonly lost: AbortSignal;
  stop(): Promise<void>;
}

/**
 * Starts the one program that needs root; it ends with this process. It runs on the sandbox image's own interpreter,
 * so the machine needs none.
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const { rootfs, runtime, state, ownerUid, fastJoins, containersMax, zygoteForksMax = ZYGOTE_FORKS_MAX, seccomp, limits, log } = options;
  const program = fileURLToPath(new URL("../../keeper/keeper.py", import.meta.url));
  const [command, ...args] = interpreterOf(rootfs);
  mkdirSync(state, { recursive: true, mode: 0o711 });
  const socket = join(state, "keeper.sock");
  const paths = ["--socket", socket, "--owner", String(ownerUid), "--rootfs", rootfs, "--runtime", findRuntime(runtime), "--state", state];
  const child = spawn(command as string, [...args, program, ...paths, ...(fastJoins ? ["--fast-joins"] : [])], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  child.stdin?.on("error", () => {});
  const spec = { memoryMb: limits.memoryMbMax, firstHostId: hasUserNamespaces() ? FIRST_HOST_ID : null, cgroupsPath: CGROUP };
  const bounds = {
    memory_mb_min: limits.memoryMbMin,
    memory_mb_max: limits.sessionMemoryMbMax,
    containers: containersMax,
    zygote_forks: zygoteForksMax,
    zygote_age_s: ZYGOTE_AGE_S_MAX,
  };
  child.stdin?.write(`${JSON.stringify({ config: containerConfig(spec, { rootfs, seccomp, limits }), bounds })}\n`);
  if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", (line) => log.warn({ keeper: line }, "the keeper says"));
  await untilReady(child);
  const lost = new AbortController();
  let asked = false;
  child.once("exit", () => {
    if (!asked) lost.abort();
  });
  const stopAsked = () => {
    asked = true;
    return stop(child);
  };
  return { socket, pid: child.pid as number, lost: lost.signal, stop: stopAsked };
}

async function untilReady(child: ChildProcess): Promise<void> {
  const timeout = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
  try {
    const ready = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    const failed = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(new Error(`the keeper of containers ended with ${signal ?? code} while it was starting`)),
      );
    });
    await Promise.race([ready, failed]);
  } finally {
    clearTimeout(timeout);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.stdin?.end();
  const timeout = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timeout);
}

/** The image's interpreter, started from outside of the image with the image's own loader and libraries. */
export function interpreterOf(rootfs: string): string[] {
  const libraries = list(join(rootfs, "usr/lib")).find((name) => existsSync(join(rootfs, "usr/lib", name, "libc.so.6"))) ?? "";
  const folder = join(rootfs, "usr/lib", libraries);
  const loader = list(folder).find((name) => /^ld-linux.*\.so\.\d$/.test(name));
  const python = list(join(rootfs, "usr/bin")).find((name) => /^python3\.\d+$/.test(name));
  if (loader === undefined || python === undefined) {
    throw new Error(
      `SANDBOX_ROOTFS: ${rootfs} is no root file system of the sandbox image; "node scripts/setup.mjs rootfs" makes one and says where`,
    );
  }
  return [join(folder, loader), "--library-path", folder, join(rootfs, "usr/bin", python), "-E", "-s", "-S", "-B"];
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** The path of an OCI runtime. Throws when this machine has none of that name. */
export function findRuntime(name: string): string {
  if (name.includes("/")) return name;
  for (const folder of ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  throw new Error(`OCI_RUNTIME: there is no ${name} on this machine; on Debian: apt-get install ${name}`);
}

function hasUserNamespaces(): boolean {
  const file = "/proc/sys/user/max_user_namespaces";
  return existsSync("/proc/self/ns/user") && existsSync(file) && Number(readFileSync(file, "utf8")) > 0;
}
