import type { Limits } from "../../domain/limits.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../masked-paths.ts";
import { hostTasksMax } from "../own-kernel.ts";

/** The account of the sandbox image that owns nothing and is used by nothing else. */
export const SANDBOX_UID = 65_532;
/** Another, for the first process alone: the code can not signal it, nor open its files under /proc. */
const INIT_UID = 65_533;
/** Ids that one sandbox has for itself; two sandboxes share none, so neither can signal, count or open what is the other's. */
export const IDS_PER_SANDBOX = 65_536;
/** Those that it can not do without: its root, which nobody is, and the two accounts. */
export const IDS_PER_ROOTLESS_SANDBOX = 3;
/** Files that tmpfs folders may hold; bounds the kernel memory that empty files cost. */
const TMPFS_INODES = 16_384;
/** Above a worker's own score, so that a machine short of memory gives up sandboxes first. */
const OOM_SCORE_ADJUSTMENT = 500;
const CPU_PERIOD_US = 100_000;
const MIB = 1024 * 1024;
/** The image's own entry point: isolated, and nothing of the working folder is ever imported by the runner. */
const RUNNER_BOOT =
  "import sys; sys.path[:0] = ['/opt']; sys.path += ['/usr/local/lib/python3.13/dist-packages', '/usr/lib/python3/dist-packages']; import runner.__main__";

/** What differs from one sandbox to the next, and nothing of it comes from a caller but the memory. */
export interface ContainerSpec {
  memoryMb: number;
  /** First id of the sandbox's own range outside, and whether that is a small one; null where the kernel gives no user namespace. */
  ids: { first: number; few: boolean } | null;
  /** Below every hierarchy's root, beginning with a slash. */
  cgroupsPath: string;
}

export interface ContainerOptions {
  /** Folder of the sandbox image's root file system. */
  rootfs: string;
  /** The seccomp profile's parsed JSON. */
  seccomp: object;
  limits: Limits;
  /** The runtime brings a kernel of its own, which nobody outside can fork into, and which reads no list of system calls. */
  ownKernel?: boolean;
}

/**
 * Waits, takes the ends of orphans, and holds the namespaces; it is no interpreter. Its death is the death of everything
 * inside.
 */
const waiting = { user: { uid: INIT_UID, gid: INIT_UID }, args: ["/usr/bin/catatonit", "-P"], env: ["PATH=/usr/bin:/bin"], cwd: "/" };
/** As in a container of the Docker engine: the runner itself. */
const runner = {
  user: { uid: SANDBOX_UID, gid: SANDBOX_UID },
  args: ["/usr/bin/python3", "-I", "-S", "-B", "-c", RUNNER_BOOT],
  env: ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
  cwd: "/mnt/data",
};

/** The whole lockdown: from limits to the OCI runtime's config.json; the twin of the Docker engine's profile. Pure. */
export function containerConfig(spec: ContainerSpec, { rootfs, seccomp, limits, ownKernel = false }: ContainerOptions) {
  const tmpfs = (destination: string, megabytes: number, options: string[] = []) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", `size=${megabytes}m`, `nr_inodes=${TMPFS_INODES}`, ...options],
  });
  const owned = ["mode=0700", `uid=${SANDBOX_UID}`, `gid=${SANDBOX_UID}`];
  const ids = spec.ids === null ? null : spec.ids.few ? fewIds(spec.ids.first) : manyIds(spec.ids.first);
  const namespaces = ["pid", "mount", "network", "ipc", "uts", "cgroup", ...(ids === null ? [] : ["user"])];
  return {
    ociVersion: "1.0.0",
    root: { path: rootfs, readonly: true },
    hostname: "sandbox",
    process: {
      terminal: false,
      ...(ownKernel ? runner : waiting),
      capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
      noNewPrivileges: true,
      oomScoreAdj: OOM_SCORE_ADJUSTMENT,
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: limits.openFilesMax, hard: limits.openFilesMax },
        { type: "RLIMIT_FSIZE", soft: limits.workingFolderMbMax * MIB, hard: limits.workingFolderMbMax * MIB },
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
        ...(ownKernel ? [{ type: "RLIMIT_NPROC", soft: limits.processesMax, hard: limits.processesMax }] : []),
      ],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=64k"] },
      tmpfs("/dev/shm", limits.sharedMemoryMbMax, ["noexec", "mode=1777"]),
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
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
        memory: { limit: spec.memoryMb * MIB, swap: spec.memoryMb * MIB },
        cpu: { quota: Math.round(limits.cpuCores * CPU_PERIOD_US), period: CPU_PERIOD_US },
        // A first process that waits is the engine's own; what is left is what a sandbox of the other engine has.
        pids: { limit: ownKernel ? hostTasksMax(limits) : limits.processesMax + 1 },
      },
      ...(ownKernel ? {} : { seccomp }),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: [...READONLY_PATHS, "/sys/fs/cgroup"],
    },
  };
}

function manyIds(first: number) {
  return [{ containerID: 0, hostID: first, size: IDS_PER_SANDBOX }];
}

function fewIds(first: number) {
  return [
    { containerID: 0, hostID: first, size: 1 },
    { containerID: SANDBOX_UID, hostID: first + 1, size: IDS_PER_ROOTLESS_SANDBOX - 1 },
  ];
}
