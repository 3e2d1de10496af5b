import { openDockerEngine } from "./docker-engine.ts";
import { openOciEngine } from "./oci-engine.ts";
import type { ProcessContext } from "./process.ts";
import type { EngineSize, Owner, SandboxEngine } from "./sandbox-engine.ts";

/** Opens the engine that ENGINE names. Rejects with instructions when something is missing. */
export function openSandboxEngine(context: ProcessContext, owner: Owner, size: EngineSize, idleMsMax: number): Promise<SandboxEngine> {
  return context.config.ENGINE === "oci" ? openOciEngine(context, size) : openDockerEngine(context, owner, size, idleMsMax);
}
