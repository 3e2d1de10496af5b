import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The seccomp profile of sandboxes. */
export function seccompProfile(): object {
  return JSON.parse(profileText().toString("utf8")) as object;
}

/** Equal to `sha256sum sandbox-image/seccomp.json`. */
export function seccompSha256(): string {
  return createHash("sha256").update(profileText()).digest("hex");
}

function profileText(): Buffer {
  const path = fileURLToPath(new URL("../../sandbox-image/seccomp.json", import.meta.url));
  if (!existsSync(path)) throw new Error("sandbox-image/seccomp.json is missing; sandboxes do not start without it");
  return readFileSync(path);
}
