import { existsSync } from "node:fs";
import { canInstall, findCommand, installPackages } from "./debian.mjs";
import { step } from "./say.mjs";

/** Makes sure that the OCI runtime is there which OCI_RUNTIME names, crun when unset; returns its name. */
export function ensureOciRuntime({ env = process.env } = {}) {
  const name = env.OCI_RUNTIME || "crun";
  return step("OCI runtime", async (progress) => {
    const found = findCommand(name);
    if (found) return { name, note: found };
    await installPackages([name], { progress, why: `ENGINE=oci makes containers with ${name}, which is not on this machine.` });
    return { name, note: `${name} installed` };
  }).then((result) => result.name);
}

/**
 * For tests of a keeper without root: ids for accounts, and where this machine has no cgroup version 2 alone, a Linux that
 * runs as a process and has. The tests say what they do not try where neither can be had.
 */
export function ensureRootlessTools() {
  const tools = { newuidmap: "uidmap", ...(existsSync("/sys/fs/cgroup/cgroup.controllers") ? {} : { "linux.uml": "user-mode-linux" }) };
  return step("tools of a keeper without root", async (progress) => {
    const missing = Object.entries(tools).flatMap(([command, name]) => (findCommand(command) ? [] : [name]));
    if (missing.length === 0) return { note: Object.values(tools).join(", ") };
    if (!canInstall()) return { note: `missing: ${missing.join(", ")}` };
    try {
      await installPackages(missing, { progress, why: "Tests need tools." });
      return { note: missing.join(", ") };
    } catch (error) {
      return { note: `missing: ${error.message.split("\n")[0]}` };
    }
  });
}
