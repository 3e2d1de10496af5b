import { connectEngine, type EngineClient } from "../sandbox/docker/engine-client.ts";
import { DockerSandboxFactory } from "../sandbox/docker/factory.ts";
import { pingEngine } from "../sandbox/docker/ping.ts";
import { reapSandboxes } from "../sandbox/docker/reaper.ts";
import { hasOwnKernel } from "../sandbox/own-kernel.ts";
import type { ProcessContext } from "./process.ts";
import type { EngineSize, Owner, SandboxEngine } from "./sandbox-engine.ts";
import { seccompProfile, seccompSha256 } from "./seccomp-profile.ts";

/** Containers of a Docker engine. */
export async function openDockerEngine(context: ProcessContext, owner: Owner, size: EngineSize, idleMsMax: number): Promise<SandboxEngine> {
  const { config, log, metrics } = context;
  const { limits } = config;
  const client = connectEngine({ host: config.DOCKER_HOST, certPath: config.DOCKER_CERT_PATH }, metrics);
  // Used by id from here on: the image that the self-check proves is the one that runs, even if its name moves.
  const image = await findImage(client, config.SANDBOX_IMAGE, config.SANDBOX_RUNTIME);
  const ownKernel = hasOwnKernel(config.SANDBOX_RUNTIME);
  const factory = new DockerSandboxFactory({
    engine: client,
    profile: {
      image,
      runtime: config.SANDBOX_RUNTIME,
      // Without white space, because it is sent to the engine with every container.
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
    facts: { engine: "docker", image_digest: image, seccomp_sha256: ownKernel ? null : seccompSha256() },
    ping: () => pingEngine(client, owner.workerId),
    reap: async (owners) => void (await reapSandboxes({ engine: client, metrics, log, serviceId: owner.serviceId, ...owners })),
    close: async () => client.close(),
  };
}

/** Resolves with the image's id. Rejects with instructions when the runtime or the image is missing. */
async function findImage(client: EngineClient, image: string, runtime: string): Promise<string> {
  const info = (await client.call("info", () => client.control.info())) as { Runtimes?: Record<string, unknown> };
  if (info.Runtimes !== undefined && !(runtime in info.Runtimes)) {
    throw new Error(`SANDBOX_RUNTIME: the engine has no runtime ${runtime}, only ${Object.keys(info.Runtimes).join(", ")}`);
  }
  try {
    return (await client.call("inspect", () => client.control.getImage(image).inspect())).Id;
  } catch (error) {
    throw new Error(`SANDBOX_IMAGE: the engine has no image ${image}; build it with "npm run image"`, { cause: error });
  }
}
