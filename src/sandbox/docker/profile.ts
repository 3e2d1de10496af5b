import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { Limits } from "../../domain/limits.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../masked-paths.ts";
import { hostTasksMax } from "../own-kernel.ts";
import type { SandboxSpec } from "../sandbox.ts";

/** Labels by which the reaper finds what a worker left behind. Services may share an engine: each reaps its own. */
export const SERVICE_LABEL = "code-interpreter.service";
export const WORKER_LABEL = "code-interpreter.worker";
export const DEADLINE_LABEL = "code-interpreter.deadline";

/** The account of the sandbox image that owns nothing and is used by nothing else. */
const SANDBOX_UID = 65_532;
/** Files that tmpfs folders may hold; bounds the kernel memory that empty files cost. */
const TMPFS_INODES = 16_384;
/** Above a worker's own score, so that a machine short of memory gives up sandboxes first. */
const OOM_SCORE_ADJUSTMENT = 500;
const MIB = 1024 * 1024;

export interface ProfileOptions {
  image: string;
  runtime: string;
  /** The profile's JSON text, or null for a runtime that brings its own kernel. */
  seccomp: string | null;
  limits: Limits;
  serviceId: string;
  workerId: string;
  /** Unix milliseconds after which the sandbox is nobody's. */
  deadline: number;
}

/** The whole lockdown: from limits to what the engine is told. Pure. */
export function containerOptions(spec: SandboxSpec, options: ProfileOptions): ContainerCreateOptions {
  const { limits } = options;
  const ownKernel = options.seccomp === null;
  const tmpfs = (megabytes: number) =>
    `rw,nosuid,nodev,size=${megabytes}m,nr_inodes=${TMPFS_INODES},mode=0700,uid=${SANDBOX_UID},gid=${SANDBOX_UID}`;
  return {
    Image: options.image,
    User: `${SANDBOX_UID}:${SANDBOX_UID}`,
    Hostname: "sandbox",
    Labels: {
      [SERVICE_LABEL]: options.serviceId,
      [WORKER_LABEL]: options.workerId,
      [DEADLINE_LABEL]: String(options.deadline),
    },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // The runner ends when stdin does, and stdin ends with the worker's connection: sandboxes die with their worker.
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
      PidsLimit: ownKernel ? hostTasksMax(limits) : limits.processesMax,
      Memory: spec.memoryMb * MIB,
      MemorySwap: spec.memoryMb * MIB,
      NanoCpus: Math.round(limits.cpuCores * 1e9),
      OomScoreAdj: OOM_SCORE_ADJUSTMENT,
      ShmSize: limits.sharedMemoryMbMax * MIB,
      Tmpfs: { "/mnt/data": tmpfs(limits.workingFolderMbMax), "/tmp": tmpfs(limits.tmpFolderMbMax) },
      Ulimits: [
        { Name: "nofile", Soft: limits.openFilesMax, Hard: limits.openFilesMax },
        { Name: "fsize", Soft: limits.workingFolderMbMax * MIB, Hard: limits.workingFolderMbMax * MIB },
        { Name: "core", Soft: 0, Hard: 0 },
        // The host's own kernel would count all sandboxes' together: they are of one account.
        ...(ownKernel ? [{ Name: "nproc", Soft: limits.processesMax, Hard: limits.processesMax }] : []),
      ],
      MaskedPaths: [...MASKED_PATHS],
      ReadonlyPaths: [...READONLY_PATHS],
      LogConfig: { Type: "none", Config: {} },
      // The runner itself has to be the first process, whatever the engine is set to.
      Init: false,
      // Removed by name in `finally`: automatic removal would race with reading how the sandbox ended.
      AutoRemove: false,
      RestartPolicy: { Name: "no" },
    }),
  };
}

/** The client's types are behind the engine's API by one field. */
function hostConfig(config: HostConfig & { CgroupnsMode: "private" }): HostConfig {
  return config;
}
