import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import { OciSandboxFactory } from "../sandbox/oci/factory.ts";
import { type Keeper, type KeeperOptions, startKeeper } from "../sandbox/oci/keeper.ts";
import { pingKeeper } from "../sandbox/oci/lease.ts";
import { parentOfStates } from "../sandbox/oci/state-folder.ts";
import { hasOwnKernel } from "../sandbox/own-kernel.ts";
import type { ProcessContext } from "./process.ts";
import type { EngineSize, SandboxEngine } from "./sandbox-engine.ts";
import { seccompProfile, seccompSha256 } from "./seccomp-profile.ts";

const RESTART_PAUSE_MS = 1_000;

/** Containers from an OCI runtime, through the keeper at KEEPER_SOCKET or a keeper that this process starts. */
export async function openOciEngine(context: ProcessContext, size: EngineSize): Promise<SandboxEngine> {
  const { config, log, metrics } = context;
  const own = config.KEEPER_SOCKET === undefined ? await superviseKeeper(keeperOptions(context, size.sandboxes), log) : null;
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
    // Not needed: a worker's containers end with its connections, and the next keeper removes those of an earlier keeper.
    reap: async () => {},
    close: async () => own?.stop(),
  };
}

export function keeperOptions({ config, log }: ProcessContext, containersMax: number): KeeperOptions {
  if (config.SANDBOX_ROOTFS === undefined) {
    throw new Error(
      'SANDBOX_ROOTFS: the root file system of the sandbox image is required; "node scripts/setup.mjs rootfs" makes it and prints its path',
    );
  }
  return {
    rootfs: config.SANDBOX_ROOTFS,
    runtime: config.OCI_RUNTIME,
    state: config.OCI_STATE_DIR ?? join(parentOfStates(), "code-interpreter"),
    ownerUid: config.KEEPER_OWNER_UID,
    fastJoins: config.KEEPER_FAST_JOINS,
    // Twice as many, because containers count until they are removed.
    containersMax: 2 * containersMax,
    seccomp: seccompProfile(),
    limits: config.limits,
    log,
  };
}

/** Digest that the setup writes beside the root file system and compares with it at every start. */
function sealOf(rootfs: string | undefined): string | null {
  const seal = rootfs === undefined ? "" : join(dirname(rootfs), "seal");
  return existsSync(seal) ? `sha256:${readFileSync(seal, "utf8").trim()}` : null;
}

interface OwnKeeper {
  socket: string;
  stop(): Promise<void>;
}

/** Starts a keeper and restarts it when it ends unexpectedly. Its sandboxes are then lost, as with any engine. */
async function superviseKeeper(options: KeeperOptions, log: Log): Promise<OwnKeeper> {
  let keeper: Keeper = await startKeeper(options);
  const stopping = new AbortController();
  const restart = async () => {
    while (!stopping.signal.aborted) {
      log.error("the keeper ended unexpectedly; restarting it");
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
