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

/** For tests of a keeper without root: ids for accounts. The tests say what they do not try without them. */
export function ensureRootlessTools() {
  return ensureTool("ids for accounts", "newuidmap", "uidmap");
}

/** A Linux that runs as a process and has cgroup version 2 alone, which this machine may lack. */
export function ensureOwnLinux() {
  return ensureTool("a Linux of its own", "linux.uml", "user-mode-linux");
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
