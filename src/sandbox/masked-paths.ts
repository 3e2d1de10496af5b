/** Paths in /proc and /sys that reveal the host: Docker's default list, plus two that it omits. */
export const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/key-users",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
  "/sys/kernel/vmcoreinfo",
];
/** Paths that a sandbox may read and never write. */
export const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/** Folders that Docker mounts into every container. The host counts terminals and message queues for all of them together. */
export const MASKED_DEVICES = ["/dev/pts", "/dev/mqueue"];
