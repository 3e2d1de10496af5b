import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import { OciSandboxFactory } from "../sandbox/oci/factory.ts";
import { type Keeper, type KeeperOptions, startKeeper } from "../sandbox/oci/keeper.ts";
import { pingKeeper } from "../sandbox/oci/lease.ts";
import { parentOfStates } from "../sandbox/oci/state-folder.ts";
import { hasOwnKernel } from "../sandbox/own-kernel.ts";
import type { World } from "./process.ts";
import type { EngineSize, SandboxEngine } from "./sandbox-engine.ts";
import { seccompProfile, seccompSha256 } from "./seccomp-profile.ts";

const RESTART_PAUSE_MS = 1_000;

/** Containers made by an OCI runtime without an engine, by the keeper of this machine or by one of our own. */
export async function openOciEngine(world: World, size: EngineSize): Promise<SandboxEngine> {
  const { config, log, metrics } = world;
  const own = config.KEEPER_SOCKET === undefined ? await keepKeeper(keeperOptions(world, size.sandboxes), log) : null;
  const socket = config.KEEPER_SOCKET ?? (own as OwnKeeper).socket;
  const ping = () => pingKeeper(socket);
  await ping();
  const ownKernel = hasOwnKernel(config.OCI_RUNTIME);
  return {
    factory: new OciSandboxFactory({ socket, ownKernel, limits: config.limits, metrics }),
    ownKernel,
    description: {
      engine: "oci",
      why: "ENGINE=oci",
      runtime: config.OCI_RUNTIME,
      keeper: own === null ? `at ${socket}` : `started by this process, ${process.getuid?.() === 0 ? "as root" : "as its own account"}`,
    },
    facts: { engine: "oci", image_digest: sealOf(config.SANDBOX_ROOTFS), seccomp_sha256: ownKernel ? null : seccompSha256() },
    ping,
    // What a worker leaves goes with its connections, and what a keeper leaves is removed when the next one starts.
    reap: async () => {},
    close: async () => own?.stop(),
  };
}

export function keeperOptions({ config, log }: World, containersMax: number): KeeperOptions {
  if (config.SANDBOX_ROOTFS === undefined) {
    throw new Error(
      'SANDBOX_ROOTFS: the root file system of the sandbox image is needed; "node scripts/setup.mjs rootfs" makes it and says where',
    );
  }
  return {
    rootfs: config.SANDBOX_ROOTFS,
    runtime: config.OCI_RUNTIME,
    state: config.OCI_STATE_DIR ?? join(parentOfStates(), "code-interpreter"),
    ownerUid: config.KEEPER_OWNER_UID,
    fastJoins: config.KEEPER_FAST_JOINS,
    // Those on their way out count until they are gone.
    containersMax: 2 * containersMax,
    seccomp: seccompProfile(),
    limits: config.limits,
    log,
  };
}

/** The setup writes it beside the root file system, and compares the two at every start. */
function sealOf(rootfs: string | undefined): string | null {
  const seal = rootfs === undefined ? "" : join(dirname(rootfs), "seal");
  return existsSync(seal) ? `sha256:${readFileSync(seal, "utf8").trim()}` : null;
}

interface OwnKeeper {
  socket: string;
  stop(): Promise<void>;
}

/** A keeper that is started again when it ends by itself; its sandboxes are lost, as when any engine ends. */
async function keepKeeper(options: KeeperOptions, log: Log): Promise<OwnKeeper> {
  let keeper: Keeper = await startKeeper(options);
  const stopping = new AbortController();
  const restart = async () => {
    while (!stopping.signal.aborted) {
      log.error("the keeper ended; it is started again");
      try {
        keeper = await startKeeper(options);
        watch();
        return;
      } catch (error) {
        log.error({ err: error }, "the keeper did not start");
        await pause(RESTART_PAUSE_MS);
      }
    }
  };
  const watch = () =>
    keeper.lost.addEventListener("abort", () => {
      if (!stopping.signal.aborted) void restart();
    });
  watch();
  return {
    socket: keeper.socket,
    stop: async () => {
      stopping.abort();
      await keeper.stop();
    },
  };
}
