// A worker process with the real queue and an engine that costs nothing; see cheap-worker.ts.
import { runnerImport } from "vite";

const { module } = await runnerImport(new URL("./cheap-worker.ts", import.meta.url).pathname);
await module.work();
