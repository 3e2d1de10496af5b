import path from "node:path";
import { pathToFileURL } from "node:url";
import { startRedis } from "./setup/redis.mjs";
import { endChild, runCommand } from "./setup/run-command.mjs";
import { giveUp, step } from "./setup/say.mjs";
import { freePort, launchService, waitUntilReady } from "./setup/service.mjs";
import { dataFolderOf, root, setup, setupOci } from "./setup.mjs";

/** Measures this service and its baselines in the same run: npm run bench. */
async function main() {
  const dataFolder = dataFolderOf(process.env);
  const made = await setup({ dataFolder });
  const { runtime, rootfs } = await setupOci({ dataFolder });
  await step("bench", async (progress) => {
    progress("tsc");
    await runCommand(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.bench.json"], { progress, cwd: root });
    return { note: "compiled" };
  });
  const { bench } = await import(pathToFileURL(path.join(root, "dist/for-bench/bench/harness/bench.js")).href);
  const machine = { root, image: made.image, dockerHost: made.host, rootfs, ociRuntime: runtime };
  const exitCode = await bench(process.argv.slice(2), machine, { startRedis, launchService, waitUntilReady, endChild, freePort });
  // All children have ended. A connection that a library keeps open must not keep this process alive.
  process.exit(exitCode);
}

await main().catch(giveUp);
