import { accessSync, constants } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Absolute path of a program; null when the machine does not have it. */
export function findProgram(name: string): string | null {
  return FOLDERS.map((folder) => join(folder, name)).find((file) => hasAccess(file, constants.X_OK)) ?? null;
}

/** Path of an OCI runtime. Throws when the machine does not have it. */
export function findRuntime(name: string): string {
  const found = name.includes("/") ? name : findProgram(name);
  if (found === null) throw new Error(`OCI_RUNTIME: there is no ${name} on this machine; on Debian: apt-get install ${name}`);
  return found;
}

/** Whether this account has access `mode` to the file; `mode` is a constant of node:fs. */
export function hasAccess(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}
