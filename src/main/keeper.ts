import { startKeeper } from "../sandbox/oci/keeper.ts";
import { keeperOptions } from "./oci-engine.ts";
import { runProcess } from "./process.ts";

/** Containers that one keeper makes for all workers of its machine. */
const CONTAINERS_MAX = 256;

/** The process that runs as root, so that workers need not: makes sandboxes for those who may open its socket. */
await runProcess("keeper", async (world) => {
  const keeper = await startKeeper(keeperOptions(world, CONTAINERS_MAX));
  keeper.lost.addEventListener("abort", () => {
    world.log.fatal("the keeper ended by itself");
    process.exit(1);
  });
  world.log.info({ socket: keeper.socket }, "the keeper makes sandboxes");
  return { stop: () => keeper.stop() };
});
