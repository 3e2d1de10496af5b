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
/** Host ids for sandboxes: far above those of accounts, as many ranges as fit below two thousand million. */
const FIRST_HOST_ID = 0x2000_0000;
const ID_RANGES = 0x5000;
const CGROUP = "/code-interpreter";
const OWN_KERNEL_COST =
  "gVisor: nobody can fork into its kernel, so each waiting sandbox holds an interpreter and a kernel of its own (some 16 MiB), and no modules before they are asked for";

export interface KeeperOptions {
  /** Folder of the sandbox image's root file system. */
  rootfs: string;
  /** crun, runc or runsc, by name or path. */
  runtime: string;
  /** Folder for running containers and the socket; on a machine, one a keeper. */
  state: string;
  /** Account that may use the socket; 0 for our own. */
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
 * Starts the one program that needs root, or the place of root in a user namespace where we are another account; it ends
 * with this process. It runs on the sandbox image's own interpreter, so the machine needs none.
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const { rootfs, runtime, ownerUid, containersMax, zygoteForksMax = ZYGOTE_FORKS_MAX, seccomp, limits, log } = options;
  const program = fileURLToPath(new URL("../../../keeper/keeper.py", import.meta.url));
  const state = resolve(options.state);
  const rootless = rootlessOf(options);
  makeFolder(state);
  const socket = join(state, "keeper.sock");
  const paths = ["--socket", socket, "--rootfs", resolve(rootfs), "--runtime", findRuntime(runtime), "--state", state];
  const standing = rootless === null ? ["--owner", String(ownerUid)] : ["--owner", "0", "--group", rootless.group];
  // A setting of the whole host is root's.
  const settings = options.fastJoins && rootless === null ? ["--fast-joins"] : [];
  const [command, ...args] = [...(rootless?.entry ?? []), ...interpreterOf(rootfs), program, ...paths, ...standing, ...settings];
  const child = spawn(command as string, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  child.stdin?.on("error", () => {});
  const ownKernel = hasOwnKernel(runtime);
  const few = rootless !== null;
  // gVisor puts its own processes into a user namespace without any right, and does not start in one of ours.
  const many = hasUserNamespaces() && !ownKernel;
  const ids = few ? { first: 1, few } : many ? { first: FIRST_HOST_ID, few } : null;
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
  let said = "";
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said = line;
      log.warn({ keeper: line }, "the keeper says");
    });
  }
  const answer = await untilReady(child, () => said);
  if (ownKernel) log.info({ runtime, platform: answer.split(" ")[1] }, OWN_KERNEL_COST);
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

/** Null for root. Throws when another account can not make containers here. */
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

/** Its first line. Rejects with what it said last when it ends instead. */
async function untilReady(child: ChildProcess, said: () => string): Promise<string> {
  const timeout = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
  try {
    const ready = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    const failed = new Promise<never>((_, reject) => {
      child.once("error", reject);
      // Not "exit": what it said may be read after that.
      child.once("close", (code, signal) =>
        reject(new Error(`the keeper of containers ended with ${signal ?? code} while it was starting: ${said()}`)),
      );
    });
    const [line] = (await Promise.race([ready, failed])) as [string];
    return line;
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

function hasUserNamespaces(): boolean {
  const file = "/proc/sys/user/max_user_namespaces";
  return existsSync("/proc/self/ns/user") && existsSync(file) && Number(readFileSync(file, "utf8")) > 0;
}
