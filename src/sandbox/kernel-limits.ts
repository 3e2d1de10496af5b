/** Resource limits of what the kernel counts per user, beside the cgroup. Equal on both engines. */
export const KERNEL_LIMITS = {
  /** 1 byte: 0 does not stop a host whose core_pattern is a pipe. */
  core: 1,
  /** Queued signals and timers. */
  sigpending: 1024,
  /** No POSIX message queues: /dev/mqueue would make them without the refused system call. */
  msgqueue: 0,
} as const;

/**
 * Memory for socket buffers of the loopback interface, where cgroup v1 counts it apart. Only crun sets this limit: runc, and
 * so Docker, ignores it.
 */
export const KERNEL_TCP_MB = 32;
