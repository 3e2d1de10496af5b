// A worker process that takes one execution and hangs until it is killed.
import { runnerImport } from "vite";

const { module } = await runnerImport(new URL("./doomed-worker.ts", import.meta.url).pathname);
await module.hang(process.argv[2]);
