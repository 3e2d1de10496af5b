import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Limits } from "../../domain/limits.ts";
import type { Log } from "../../observe/log.ts";
import { hasOwnKernel } from "../own-kernel.ts";
import { containerConfig, IDS_PER_ROOTLESS_SANDBOX } from "./profile.ts";
import { findRuntime } from "./programs.ts";
import { findRootless, type Rootless } from "./rootless.ts";

const START_TIMEOUT_MS = 60_000;
const ZYGOTE_FORKS_MAX = 1_000;
const ZYGOTE_AGE_S_MAX = 600;
const STOP_TIMEOUT_MS = 15_000;
/** Host ids for sandboxes: far above any account's, and as many ranges as fit below 2 × 10⁹. */
const FIRST_HOST_ID = 0x2000_0000;
const ID_RANGES = 0x5000;
const CGROUP = "/code-interpreter";
const OWN_KERNEL_COST =
  "gVisor: the zygote cannot fork into its kernel, so each waiting sandbox holds an interpreter and a kernel of its own (about 16 MiB) and imports modules only when asked";

export interface KeeperOptions {
  /** Folder of the sandbox image's root file system. */
  rootfs: string;
  /** crun, runc or runsc, by name or path. */
  runtime: string;
  /** Folder for running containers and the socket; each keeper of a machine needs its own. */
  state: string;
  /** Account that may use the socket; 0 for the account of this process. */
  ownerUid: number;
  /** Makes the kernel favour moves between cgroups. This setting applies to the whole host. */
  fastJoins: boolean;
  /** Containers that may exist at once. */
  containersMax: number;
  /** Forks after which a zygote is replaced. It is replaced by age as well, so that no address layout or hash seed lives long. */
  zygoteForksMax?: number;
  seccomp: object;
  limits: Limits;
  log: Log;
}

export interface Keeper {
  readonly socket: string;
  readonly pid: number;
  /** Aborted when the keeper exits unexpectedly. */
  readonly lost: AbortSignal;
  stop(): Promise<void>;
}

/**
 * Starts the keeper, which ends with this process. It runs as root, or as root of a user namespace where this process is
 * another account. It uses the sandbox image's interpreter, so the machine needs no Python.
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const { rootfs, runtime, ownerUid, containersMax, zygoteForksMax = ZYGOTE_FORKS_MAX, seccomp, limits, log } = options;
  const program = fileURLToPath(new URL("../../../keeper/keeper.py", import.meta.url));
  const state = resolve(options.state);
  const rootless = rootlessOf(options);
  makeFolder(state);
  const socket = join(state, "keeper.sock");
  const paths = ["--socket", socket, "--rootfs", resolve(rootfs), "--runtime", findRuntime(runtime), "--state", state];
  const owner = rootless === null ? ["--owner", String(ownerUid)] : ["--owner", "0", "--group", rootless.group];
  // Only root may change a setting of the whole host.
  const settings = options.fastJoins && rootless === null ? ["--fast-joins"] : [];
  const [command, ...args] = [...(rootless?.entry ?? []), ...interpreterOf(rootfs), program, ...paths, ...owner, ...settings];
  const child = spawn(command as string, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  child.stdin?.on("error", () => {});
  const ownKernel = hasOwnKernel(runtime);
  // gVisor puts its processes into an unprivileged user namespace itself, and does not start inside another.
  const separateIds = hasUserNamespaces() && !ownKernel;
  const ids = rootless !== null ? { first: 1, few: true } : separateIds ? { first: FIRST_HOST_ID, few: false } : null;
  const spec = { memoryMb: limits.memoryMbMax, ids, cgroupsPath: CGROUP };
  const bounds = {
    memory_mb_min: limits.memoryMbMin,
    memory_mb_max: limits.sessionMemoryMbMax,
    containers: containersMax,
    id_ranges: rootless === null ? ID_RANGES : Math.floor(rootless.ids / IDS_PER_ROOTLESS_SANDBOX),
    zygote_forks: zygoteForksMax,
    zygote_age_s: ZYGOTE_AGE_S_MAX,
  };
  child.stdin?.write(
    `${JSON.stringify({ config: containerConfig(spec, { rootfs, seccomp, limits, ownKernel }), own_kernel: ownKernel, bounds })}\n`,
  );
  let lastLine = "";
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lastLine = line;
      log.warn({ keeper: line }, "the keeper says");
    });
  }
  const answer = await untilReady(child, () => lastLine);
  if (ownKernel) log.info({ runtime, platform: answer.split(" ")[1] }, OWN_KERNEL_COST);
  const lost = new AbortController();
  let stopping = false;
  child.once("exit", () => {
    if (!stopping) lost.abort();
  });
  const stopKeeper = () => {
    stopping = true;
    return stopProcess(child);
  };
  return { socket, pid: child.pid as number, lost: lost.signal, stop: stopKeeper };
}

/** Null for root. Throws when another account cannot make containers here. */
function rootlessOf({ runtime, state, rootfs, ownerUid, containersMax }: KeeperOptions): Rootless | null {
  const uid = process.getuid?.();
  if (uid === 0) return null;
  if (ownerUid !== 0 && ownerUid !== uid) throw new Error("KEEPER_OWNER_UID: a keeper that is not root serves its own account alone");
  const folders = [state, rootfs].map((folder) => resolve(folder));
  return findRootless({ runtime, ids: containersMax * IDS_PER_ROOTLESS_SANDBOX, folders });
}

function makeFolder(state: string): void {
  try {
    mkdirSync(state, { recursive: true, mode: 0o711 });
  } catch (error) {
    throw new Error(`OCI_STATE_DIR: ${(error as Error).message}`, { cause: error });
  }
}

/** Resolves with the keeper's first line of stdout. Rejects with its last line of stderr when it exits first. */
async function untilReady(child: ChildProcess, lastLine: () => string): Promise<string> {
  const timeout = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
  try {
    const ready = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    const failed = new Promise<never>((_, reject) => {
      child.once("error", reject);
      // Not "exit": stderr may still be read after that.
      child.once("close", (code, signal) =>
        reject(new Error(`the keeper of containers ended with ${signal ?? code} while it was starting: ${lastLine()}`)),
      );
    });
    const [line] = (await Promise.race([ready, failed])) as [string];
    return line;
  } finally {
    clearTimeout(timeout);
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.stdin?.end();
  const timeout = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timeout);
}

/** Command that starts the image's interpreter from outside the image, with the image's own loader and libraries. */
export function interpreterOf(rootfs: string): string[] {
  const libraries = list(join(rootfs, "usr/lib")).find((name) => existsSync(join(rootfs, "usr/lib", name, "libc.so.6"))) ?? "";
  const folder = join(rootfs, "usr/lib", libraries);
  const loader = list(folder).find((name) => /^ld-linux.*\.so\.\d$/.test(name));
  const python = list(join(rootfs, "usr/bin")).find((name) => /^python3\.\d+$/.test(name));
  if (loader === undefined || python === undefined) {
    throw new Error(
      `SANDBOX_ROOTFS: ${rootfs} is not a root file system of the sandbox image; "node scripts/setup.mjs rootfs" makes one and prints its path`,
    );
  }
  return [join(folder, loader), "--library-path", folder, join(rootfs, "usr/bin", python), "-E", "-s", "-S", "-B"];
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function hasUserNamespaces(): boolean {
  const file = "/proc/sys/user/max_user_namespaces";
  return existsSync("/proc/self/ns/user") && existsSync(file) && Number(readFileSync(file, "utf8")) > 0;
}
