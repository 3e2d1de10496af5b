import { statfsSync } from "node:fs";

const TMPFS_MAGIC = 0x0102_1994;

/**
 * Parent folder for the keepers' state, in memory. The files of a container are small and short-lived, and on a disk they
 * cost as much as the container itself. /run is in memory on a machine, but not in every container.
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
