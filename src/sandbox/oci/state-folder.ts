import { statfsSync } from "node:fs";

const TMPFS_MAGIC = 0x0102_1994;

/**
 * Where folders of keepers go: in memory. What is written for a container is small and soon gone, and on a disk its files cost
 * as much as the container. /run is in memory on a machine, but not in every container.
 */
export function parentOfStates(): string {
  return ["/run", "/dev/shm"].find(isInMemory) ?? "/run";
}

function isInMemory(folder: string): boolean {
  try {
    return statfsSync(folder).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}
