import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The sandbox's list of system calls. */
export function seccompProfile(): object {
  return JSON.parse(profileText().toString("utf8")) as object;
}

/** As `sha256sum sandbox-image/seccomp.json` says it. */
export function seccompSha256(): string {
  return createHash("sha256").update(profileText()).digest("hex");
}

function profileText(): Buffer {
  const path = fileURLToPath(new URL("../../sandbox-image/seccomp.json", import.meta.url));
  if (!existsSync(path)) throw new Error("sandbox-image/seccomp.json is missing; sandboxes are not started without it");
  return readFileSync(path);
}
