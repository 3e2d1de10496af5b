import type { Limits } from "../../domain/limits.ts";
import { KERNEL_LIMITS, KERNEL_TCP_MB } from "../kernel-limits.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../masked-paths.ts";
import { hostTasksMax } from "../own-kernel.ts";

/** Account of the sandbox image that owns no files and runs nothing else. */
export const SANDBOX_UID = 65_532;
/** Account of process 1 only: the code cannot signal it or open its files under /proc. */
const INIT_UID = 65_533;
/** Ids of one sandbox. Sandboxes share no ids, so none can signal, count or open what belongs to another. */
export const IDS_PER_SANDBOX = 65_536;
/** The minimum: root, which no process uses, and the two accounts above. */
export const IDS_PER_ROOTLESS_SANDBOX = 3;
/** Files per tmpfs folder; bounds the kernel memory that empty files cost. */
const TMPFS_INODES = 16_384;
/** Higher than the worker's own score, so that the kernel kills sandboxes first when the machine is out of memory. */
const OOM_SCORE_ADJUSTMENT = 500;
const CPU_PERIOD_US = 100_000;
const MIB = 1024 * 1024;
/** The image's entry point. The runner never imports from the working folder. */
const RUNNER_BOOT =
  "import sys; sys.path[:0] = ['/opt']; sys.path += ['/usr/local/lib/python3.13/dist-packages', '/usr/lib/python3/dist-packages']; import runner.__main__";

/** Process 1, and the copy of a session's process: they take no process from the code, which may start as many as under Docker. */
const OF_THE_SERVICE = 2;

/** What differs between sandboxes. Only the memory comes from a caller. */
export interface ContainerSpec {
  memoryMb: number;
  /** First host id of the sandbox's range; `few` for the rootless minimum. Null where there are no user namespaces. */
  ids: { first: number; few: boolean } | null;
  /** Relative to the root of each cgroup hierarchy, with a leading slash. */
  cgroupsPath: string;
}

export interface ContainerOptions {
  /** Folder of the sandbox image's root file system. */
  rootfs: string;
  /** The seccomp profile's parsed JSON. */
  seccomp: object;
  limits: Limits;
  /** The runtime has its own kernel (gVisor): no host process can fork into it, and seccomp does not apply. */
  ownKernel?: boolean;
}

/** Process 1: holds the namespaces and reaps orphans. It is not an interpreter. When it dies, the kernel kills all other processes. */
const init = { user: { uid: INIT_UID, gid: INIT_UID }, args: ["/usr/bin/catatonit", "-P"], env: ["PATH=/usr/bin:/bin"], cwd: "/" };
/** With gVisor the runner itself is process 1, as with the Docker engine. */
const runner = {
  user: { uid: SANDBOX_UID, gid: SANDBOX_UID },
  args: ["/usr/bin/python3", "-I", "-S", "-B", "-c", RUNNER_BOOT],
  env: ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
  cwd: "/mnt/data",
};

/** The whole lockdown: turns limits into the OCI runtime's config.json. Twin of `docker/profile.ts`. Pure. */
export function containerConfig(spec: ContainerSpec, { rootfs, seccomp, limits, ownKernel = false }: ContainerOptions) {
  const tmpfs = (destination: string, megabytes: number, options: string[] = []) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", `size=${megabytes}m`, `nr_inodes=${TMPFS_INODES}`, ...options],
  });
  const owned = ["mode=0700", `uid=${SANDBOX_UID}`, `gid=${SANDBOX_UID}`];
  const ids = spec.ids === null ? null : spec.ids.few ? minimalIds(spec.ids.first) : fullIdRange(spec.ids.first);
  const namespaces = ["pid", "mount", "network", "ipc", "uts", "cgroup", ...(ids === null ? [] : ["user"])];
  return {
    ociVersion: "1.0.0",
    root: { path: rootfs, readonly: true },
    hostname: "sandbox",
    process: {
      terminal: false,
      ...(ownKernel ? runner : init),
      capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
      noNewPrivileges: true,
      oomScoreAdj: OOM_SCORE_ADJUSTMENT,
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: limits.openFilesMax, hard: limits.openFilesMax },
        { type: "RLIMIT_FSIZE", soft: limits.workingFolderMbMax * MIB, hard: limits.workingFolderMbMax * MIB },
        ...Object.entries(KERNEL_LIMITS).map(([name, value]) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft: value, hard: value })),
        ...(ownKernel ? [{ type: "RLIMIT_NPROC", soft: limits.processesMax, hard: limits.processesMax }] : []),
      ],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=64k"] },
      tmpfs("/dev/shm", limits.sharedMemoryMbMax, ["noexec", "mode=1777"]),
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "relatime", "ro"] },
      tmpfs("/mnt/data", limits.workingFolderMbMax, owned),
      tmpfs("/tmp", limits.tmpFolderMbMax, owned),
    ],
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(ids === null ? {} : { uidMappings: ids, gidMappings: ids }),
      cgroupsPath: spec.cgroupsPath,
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        // The keeper omits kernelTCP with cgroup v2, where socket memory is part of the memory.
        memory: { limit: spec.memoryMb * MIB, swap: spec.memoryMb * MIB, kernelTCP: KERNEL_TCP_MB * MIB },
        cpu: { quota: Math.round(limits.cpuCores * CPU_PERIOD_US), period: CPU_PERIOD_US },
        pids: { limit: ownKernel ? hostTasksMax(limits) : limits.processesMax + OF_THE_SERVICE },
      },
      ...(ownKernel ? {} : { seccomp }),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: [...READONLY_PATHS, "/sys/fs/cgroup"],
    },
  };
}

function fullIdRange(first: number) {
  return [{ containerID: 0, hostID: first, size: IDS_PER_SANDBOX }];
}

function minimalIds(first: number) {
  return [
    { containerID: 0, hostID: first, size: 1 },
    { containerID: SANDBOX_UID, hostID: first + 1, size: IDS_PER_ROOTLESS_SANDBOX - 1 },
  ];
}
