import { findCommand, installPackages } from "./debian.mjs";
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
