import { startKeeper } from "../sandbox/oci/keeper.ts";
import { keeperOptions } from "./oci-engine.ts";
import { runProcess } from "./process.ts";

/** Containers of one keeper, for all workers of its machine. */
const CONTAINERS_MAX = 256;

/** The process that runs as root, so that workers need not. It makes sandboxes for accounts that may open its socket. */
await runProcess("keeper", async (context) => {
  const keeper = await startKeeper(keeperOptions(context, CONTAINERS_MAX));
  keeper.lost.addEventListener("abort", () => {
    context.log.fatal("the keeper ended unexpectedly");
    process.exit(1);
  });
  context.log.info({ socket: keeper.socket }, "the keeper makes sandboxes");
  return { stop: () => keeper.stop() };
});
