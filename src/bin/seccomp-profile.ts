import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The sandbox's list of system calls. */
export function seccompProfile(): object {
  const path = fileURLToPath(new URL("../../sandbox-image/seccomp.json", import.meta.url));
  if (!existsSync(path)) throw new Error("sandbox-image/seccomp.json is missing; sandboxes are not started without it");
  return JSON.parse(readFileSync(path, "utf8")) as object;
}
