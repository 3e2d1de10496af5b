import { accessSync, constants } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The path of a program of this machine; null when it has none of that name. */
export function findProgram(name: string): string | null {
  return FOLDERS.map((folder) => join(folder, name)).find((file) => mayUse(file, constants.X_OK)) ?? null;
}

/** The path of an OCI runtime. Throws when this machine has none of that name. */
export function findRuntime(name: string): string {
  const found = name.includes("/") ? name : findProgram(name);
  if (found === null) throw new Error(`OCI_RUNTIME: there is no ${name} on this machine; on Debian: apt-get install ${name}`);
  return found;
}

/** Whether this account may do that with the file: `mode` is one of node:fs' constants. */
export function mayUse(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}
