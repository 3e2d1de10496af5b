import { connectEngine, type EngineClient } from "../docker/engine-client.ts";
import { DockerSandboxFactory } from "../docker/factory.ts";
import { reapSandboxes } from "../docker/reaper.ts";
import type { World } from "./process.ts";
import type { EngineSize, Owner, SandboxEngine } from "./sandbox-engine.ts";
import { seccompProfile } from "./seccomp-profile.ts";

/** Containers of a Docker engine. */
export async function openDockerEngine(world: World, owner: Owner, size: EngineSize, idleMsMax: number): Promise<SandboxEngine> {
  const { config, log, metrics } = world;
  const { limits } = config;
  const client = connectEngine({ host: config.DOCKER_HOST, certPath: config.DOCKER_CERT_PATH }, metrics);
  await checkEngine(client, config.SANDBOX_IMAGE, config.SANDBOX_RUNTIME);
  const ownKernel = config.SANDBOX_RUNTIME.startsWith("runsc");
  const factory = new DockerSandboxFactory({
    engine: client,
    profile: {
      image: config.SANDBOX_IMAGE,
      runtime: config.SANDBOX_RUNTIME,
      // Without white space, as it goes to the engine with every container.
      seccomp: ownKernel ? null : JSON.stringify(seccompProfile()),
      limits,
      ...owner,
    },
    limits,
    metrics,
    log,
    startsMax: size.starts,
    lifetimeMsMax: idleMsMax + 2 * (limits.sandboxStartTimeoutMsMax + limits.shutdownMsMax),
  });
  return {
    factory,
    ownKernel,
    description: { engine: "docker", image: config.SANDBOX_IMAGE, runtime: config.SANDBOX_RUNTIME },
    ping: () => client.call("ping", () => client.control.ping()),
    reap: async (owners) => void (await reapSandboxes({ engine: client, metrics, log, serviceId: owner.serviceId, ...owners })),
    close: async () => client.close(),
  };
}

/** Fails with what to do when the engine, its runtime or the image is not there. */
async function checkEngine(client: EngineClient, image: string, runtime: string): Promise<void> {
  const info = (await client.call("info", () => client.control.info())) as { Runtimes?: Record<string, unknown> };
  if (info.Runtimes !== undefined && !(runtime in info.Runtimes)) {
    throw new Error(`SANDBOX_RUNTIME: the engine knows no runtime ${runtime}, only ${Object.keys(info.Runtimes).join(", ")}`);
  }
  try {
    await client.call("inspect", () => client.control.getImage(image).inspect());
  } catch (error) {
    throw new Error(`SANDBOX_IMAGE: the engine has no image ${image}; build it with "npm run image"`, { cause: error });
  }
}
