import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { makeLimits } from "../../../src/domain/limits.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { WorkerLoop } from "../../../src/queue/worker/worker-loop.ts";
import { completedEnd } from "../fakes/fake-engine.ts";

const DRAIN_MS = 10_000;

/**
 * A worker without sandboxes, for tests with thousands of jobs or with a future job version (READS_UP_TO). Each run takes
 * RUN_MS and returns the worker's name.
 */
export async function work(): Promise<void> {
  const { REDIS_URL = "", READS_UP_TO, RUN_MS = "0", WORKER_CONCURRENCY = "8" } = process.env;
  const workerId = `cheap-${process.pid}`;
  const log = makeLog("info", { process: "cheap-worker" });
  const metrics = makeMetrics();
  const noFiles = () => Promise.reject(new Error("no files here"));
  const workerLoop = new WorkerLoop({
    redisUrl: REDIS_URL,
    prefix: "ci",
    limits: makeLimits(),
    metrics,
    log,
    engine: {
      run: async () => {
        await sleep(Number(RUN_MS));
        return completedEnd(workerId);
      },
    },
    ports: (_input, emit) => ({ openFile: noFiles, saveFile: noFiles, emit }),
    concurrency: Number(WORKER_CONCURRENCY),
    workerId,
    ...(READS_UP_TO === undefined ? {} : { readsUpTo: Number(READS_UP_TO) }),
  });
  const server = createServer((_request, response) => void metrics.registry.metrics().then((text) => response.end(text)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  log.info({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics` }, "metrics listen");
  process.once("SIGTERM", () => {
    void workerLoop.drain(DRAIN_MS).then(() => process.exit(0));
  });
  await workerLoop.start();
  log.info("started");
}
