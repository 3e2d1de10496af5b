import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { Limits } from "../../domain/limits.ts";
import { KERNEL_LIMITS } from "../kernel-limits.ts";
import { MASKED_DEVICES, MASKED_PATHS, READONLY_PATHS } from "../masked-paths.ts";
import { hostTasksMax } from "../own-kernel.ts";
import type { SandboxSpec } from "../sandbox.ts";

/** Labels by which the reaper finds orphans. Services may share an engine; each reaps only its own. */
export const SERVICE_LABEL = "code-interpreter.service";
export const WORKER_LABEL = "code-interpreter.worker";
export const DEADLINE_LABEL = "code-interpreter.deadline";
/** Distinguishes a container from others that had its name. */
export const SANDBOX_LABEL = "code-interpreter.sandbox";

/** Group of the sandbox image that owns no files. The kernel counts nothing by group. */
const SANDBOX_GID = 65_532;
/** Files per tmpfs folder; bounds the kernel memory that empty files cost. */
const TMPFS_INODES = 16_384;
/** Higher than the worker's own score, so that the kernel kills sandboxes first when the machine is out of memory. */
const OOM_SCORE_ADJUSTMENT = 500;
const MIB = 1024 * 1024;

export interface ProfileOptions {
  image: string;
  runtime: string;
  /** The seccomp profile as JSON text; null for a runtime with its own kernel. */
  seccomp: string | null;
  limits: Limits;
  serviceId: string;
  workerId: string;
  /** Unix milliseconds after which the sandbox is an orphan. */
  deadline: number;
}

/** What differs between sandboxes. Only the memory comes from a caller. */
export interface ContainerSpec extends SandboxSpec {
  /** User id that no other container of this engine has. */
  uid: number;
  mark: string;
}

/** The whole lockdown: turns limits into Docker's container options. Pure. */
export function containerOptions(spec: ContainerSpec, options: ProfileOptions): ContainerCreateOptions {
  const { limits } = options;
  const { uid } = spec;
  const ownKernel = options.seccomp === null;
  // Docker's default is noexec. Code may run programs that it wrote, as under the OCI engine.
  const tmpfs = (megabytes: number) =>
    `rw,exec,nosuid,nodev,size=${megabytes}m,nr_inodes=${TMPFS_INODES},mode=0700,uid=${uid},gid=${SANDBOX_GID}`;
  return {
    Image: options.image,
    User: `${uid}:${SANDBOX_GID}`,
    Hostname: "sandbox",
    Labels: {
      [SERVICE_LABEL]: options.serviceId,
      [WORKER_LABEL]: options.workerId,
      [DEADLINE_LABEL]: String(options.deadline),
      [SANDBOX_LABEL]: spec.mark,
    },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // Sandboxes die with their worker: stdin closes with the worker's connection, and the runner exits when stdin closes.
    StdinOnce: true,
    NetworkDisabled: true,
    HostConfig: hostConfig({
      Runtime: options.runtime,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges", ...(ownKernel ? [] : [`seccomp=${options.seccomp}`])],
      IpcMode: "private",
      CgroupnsMode: "private",
      // One more for the copy of a session's process, so that it takes none from the code.
      PidsLimit: ownKernel ? hostTasksMax(limits) : limits.processesMax + 1,
      Memory: spec.memoryMb * MIB,
      MemorySwap: spec.memoryMb * MIB,
      NanoCpus: Math.round(limits.cpuCores * 1e9),
      OomScoreAdj: OOM_SCORE_ADJUSTMENT,
      ShmSize: limits.sharedMemoryMbMax * MIB,
      Tmpfs: { "/mnt/data": tmpfs(limits.workingFolderMbMax), "/tmp": tmpfs(limits.tmpFolderMbMax) },
      Ulimits: [
        { Name: "nofile", Soft: limits.openFilesMax, Hard: limits.openFilesMax },
        { Name: "fsize", Soft: limits.workingFolderMbMax * MIB, Hard: limits.workingFolderMbMax * MIB },
        ...Object.entries(KERNEL_LIMITS).map(([name, value]) => ({ Name: name, Soft: value, Hard: value })),
        ...(ownKernel ? [{ Name: "nproc", Soft: limits.processesMax, Hard: limits.processesMax }] : []),
      ],
      MaskedPaths: [...MASKED_PATHS, ...MASKED_DEVICES],
      ReadonlyPaths: [...READONLY_PATHS],
      LogConfig: { Type: "none", Config: {} },
      // The runner must be process 1, regardless of the engine's default.
      Init: false,
      // Removed by name in `finally`: automatic removal would race with reading the exit code.
      AutoRemove: false,
      RestartPolicy: { Name: "no" },
    }),
  };
}

/** dockerode's types lack CgroupnsMode. */
function hostConfig(config: HostConfig & { CgroupnsMode: "private" }): HostConfig {
  return config;
}
