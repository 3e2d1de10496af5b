import { makeLimits } from "../../../src/domain/limits.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { WorkerLoop } from "../../../src/queue/worker/worker-loop.ts";

/** Prints a line once a run has begun. The run never ends. */
export async function hang(redisUrl: string): Promise<void> {
  const workerLoop = new WorkerLoop({
    redisUrl,
    prefix: "ci",
    limits: makeLimits(),
    metrics: makeMetrics(),
    log: makeLog("silent"),
    engine: {
      run: async (_input, ports) => {
        await ports.emit({ type: "text", stream: "stdout", text: "from the lost worker" });
        console.log("running");
        return new Promise(() => undefined);
      },
    },
    ports: (_input, emit) => ({
      openFile: () => Promise.reject(new Error("no files here")),
      saveFile: () => Promise.reject(new Error("no files here")),
      emit,
    }),
    concurrency: 1,
    workerId: "doomed",
    timing: { lockMs: 1_000, lockRenewMs: 400, stalledCheckMs: 300 },
  });
  await workerLoop.start();
}
