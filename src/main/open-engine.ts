import { openDockerEngine } from "./docker-engine.ts";
import { openOciEngine } from "./oci-engine.ts";
import type { World } from "./process.ts";
import type { EngineSize, Owner, SandboxEngine } from "./sandbox-engine.ts";

/** Opens the engine that ENGINE names. Fails with what to do when something of it is missing. */
export function openSandboxEngine(world: World, owner: Owner, size: EngineSize, idleMsMax: number): Promise<SandboxEngine> {
  return world.config.ENGINE === "oci" ? openOciEngine(world, size) : openDockerEngine(world, owner, size, idleMsMax);
}
