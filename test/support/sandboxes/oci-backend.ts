import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { release } from "node:os";
import type { Limits } from "../../../src/domain/limits.ts";
import { type Log, makeLog } from "../../../src/observe/log.ts";
import type { Metrics } from "../../../src/observe/metrics.ts";
import { OciSandboxFactory } from "../../../src/sandbox/oci/factory.ts";
import { type Keeper, startKeeper } from "../../../src/sandbox/oci/keeper.ts";
import { hasOwnKernel } from "../../../src/sandbox/own-kernel.ts";
import type { Sandbox } from "../../../src/sandbox/sandbox.ts";
import type { Backend } from "./backend.ts";

const CGROUPS = "/sys/fs/cgroup";
const CONTAINERS_MAX = 64;

export interface OciBackendOptions {
  rootfs: string;
  runtime: string;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  /** Replaces the image's seccomp profile. */
  seccomp?: object | undefined;
  /** A socket other than the keeper's stands for an absent keeper. */
  socket?: string;
  zygoteForksMax?: number;
  /** A folder that an earlier keeper used. */
  state?: string;
}

/** Starts a private keeper, so that the test can ask what is left. */
export async function ociBackend(options: OciBackendOptions): Promise<Backend & { keeper: Keeper; state: string }> {
  const { rootfs, runtime, limits, metrics, log } = options;
  const { state = `/run/code-interpreter-test-${randomUUID()}` } = options;
  const seccomp =
    options.seccomp ?? (JSON.parse(readFileSync(new URL("../../../sandbox-image/seccomp.json", import.meta.url), "utf8")) as object);
  const worn = options.zygoteForksMax === undefined ? {} : { zygoteForksMax: options.zygoteForksMax };
  const ownerUid = process.getuid?.() ?? 0;
  // Only the keeper's log names a container that it cannot remove, so it is shown even in tests without a log.
  const keeperLog = log.isLevelEnabled("warn") ? log : makeLog("warn");
  const keeper = await startKeeper({
    rootfs,
    runtime,
    state,
    ownerUid,
    fastJoins: true,
    containersMax: CONTAINERS_MAX,
    ...worn,
    seccomp,
    limits,
    log: keeperLog,
  });
  const containers = () => [...new Set([...readdirSync(`${state}/bundles`), ...groupsIn(state)])];
  const factory = new OciSandboxFactory({ socket: options.socket ?? keeper.socket, ownKernel: hasOwnKernel(runtime), limits, metrics });
  const made = new Map<string, Sandbox>();
  return {
    keeper,
    state,
    factory: {
      settled: () => factory.settled(),
      async create(spec, signal) {
        const sandbox = await factory.create(spec, signal);
        made.set(sandbox.id, sandbox);
        return sandbox;
      },
    },
    containers: async () => containers(),
    exists: async (id) => containers().includes(id) || cgroupFolders(id).length > 0,
    kill: async (id) => {
      const lost = made.get(id)?.lost;
      // The other processes end with it, in any order.
      process.kill(Number(readFileSync(`${state}/bundles/${id}/pid`, "utf8")), "SIGKILL");
      // Like Docker's call, this returns once the client can observe the end.
      if (lost !== undefined && !lost.aborted) await once(lost, "abort");
    },
    pause: async (id) => pauseMembers(id),
    // Kernels before 6.15 do not report the exit status of a process that is not a child.
    killedEvidence: kernelTells ? { exit_code: 137 } : {},
    close: async () => {
      await keeper.stop();
      rmSync(state, { recursive: true });
    },
  };
}

const [major = 0, minor = 0] = release().split(".").map(Number.parseFloat);
const kernelTells = major > 6 || (major === 6 && minor >= 15);

/** Containers that the runtime still lists. */
function groupsIn(state: string): string[] {
  if (!existsSync(`${state}/runtime`)) return [];
  return readdirSync(`${state}/runtime`).flatMap((name) => /^[0-9a-f]{32}/.exec(name)?.[0] ?? []);
}

function cgroupFolders(id: string): string[] {
  const roots = ["", ...readdirSync(CGROUPS)].map((name) => `${CGROUPS}/${name}`);
  return roots.map((root) => `${root}/code-interpreter/${id}`).filter((folder) => existsSync(folder));
}

function pauseMembers(id: string): void {
  const [folder] = cgroupFolders(id);
  if (folder === undefined) throw new Error(`there is no sandbox ${id}`);
  for (const pid of readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number)) process.kill(pid, "SIGSTOP");
}
