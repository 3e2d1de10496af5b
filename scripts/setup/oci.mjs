import { canInstall, findCommand, installPackages } from "./debian.mjs";
import { step } from "./say.mjs";

/** Ensures that the runtime of OCI_RUNTIME (default: crun) is installed; returns its name. */
export function ensureOciRuntime({ env = process.env } = {}) {
  const name = env.OCI_RUNTIME || "crun";
  return step("OCI runtime", async (progress) => {
    const found = findCommand(name);
    if (found) return { name, note: found };
    await installPackages([name], { progress, why: `ENGINE=oci makes containers with ${name}, which is not installed.` });
    return { name, note: `${name} installed` };
  }).then((result) => result.name);
}

/** For tests of a keeper without root. Without uidmap they are skipped and give the reason. */
export function ensureRootlessTools() {
  return ensureTool("subordinate ids", "newuidmap", "uidmap");
}

/** User-mode Linux, for a kernel with cgroup version 2 alone, which this machine may lack. */
export function ensureOwnLinux() {
  return ensureTool("User-mode Linux", "linux.uml", "user-mode-linux");
}

function ensureTool(title, command, name) {
  return step(title, async (progress) => {
    if (findCommand(command)) return { note: name };
    if (!canInstall()) return { note: `missing: ${name}` };
    try {
      await installPackages([name], { progress, why: "Tests need tools." });
      return { note: name };
    } catch (error) {
      return { note: `missing: ${error.message.split("\n")[0]}` };
    }
  });
}
