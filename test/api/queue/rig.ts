import { type LimitName, makeLimits } from "../../../src/domain/limits.ts";
import type { ExecutionRequest } from "../../../src/domain/request.ts";
import type { Engine } from "../../../src/domain/run.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { ExecutionService } from "../../../src/queue/executions/execution-service.ts";
import type { NewExecution } from "../../../src/queue/executions/submission.ts";
import { type ConsumerTiming, WorkerLoop } from "../../../src/queue/worker/worker-loop.ts";
import { connectFailFast, connectWithRetry, untilReady } from "../../../src/redis/connection.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";

export const log = makeLog("silent");

export function request(changes: Partial<ExecutionRequest> = {}): ExecutionRequest {
  return {
    code: "print('hello')",
    files: [],
    args: [],
    stdin: "",
    env: {},
    timeout_ms: 30_000,
    memory_mb: 512,
    priority: "normal",
    metadata: {},
    ...changes,
  };
}

export function newExecution(changes: Partial<NewExecution> = {}): NewExecution {
  return { organization: "org_a", request: request(), files: [], idempotency: null, ...changes };
}

export type Rig = Awaited<ReturnType<typeof makeRig>>;

/** Its own Redis, the api's side, and workers on request. `close` ends everything. */
export async function makeRig(overrides: Partial<Record<LimitName, number>> = {}) {
  return makeRigAt(await startRedis(), overrides);
}

/** The same with an existing Redis. */
export async function makeRigAt<Server extends Pick<TestRedis, "url" | "stop">>(
  server: Server,
  overrides: Partial<Record<LimitName, number>> = {},
  prefix = "ci",
) {
  const limits = makeLimits(overrides);
  const metrics = makeMetrics();
  const redis = connectFailFast(server.url, log);
  await untilReady(redis, 5_000);
  const executionService = new ExecutionService({ redis, prefix, limits, metrics, log });
  await executionService.ready();
  const consumers: WorkerLoop[] = [];
  const plain = connectWithRetry(server.url, log);
  return {
    server,
    limits,
    metrics,
    redis,
    executionService,
    /** A connection for direct reads and writes by tests. */
    plain,
    async worker(
      engine: Engine,
      options: { concurrency?: number; timing?: Partial<ConsumerTiming> } & Partial<ConstructorParameters<typeof WorkerLoop>[0]> = {},
    ) {
      const workerLoop = new WorkerLoop({
        redisUrl: server.url,
        prefix,
        limits,
        metrics: makeMetrics(),
        log,
        engine,
        ports: (_input, emit) => ({
          openFile: () => Promise.reject(new Error("no files here")),
          saveFile: () => Promise.reject(new Error("no files here")),
          emit,
        }),
        concurrency: 2,
        workerId: `worker_${consumers.length + 1}`,
        ...options,
      });
      consumers.push(workerLoop);
      await workerLoop.start();
      return workerLoop;
    },
    async metric(name: string, from = metrics): Promise<Array<{ labels: object; value: number }>> {
      const all = await from.registry.getMetricsAsJSON();
      const found = all.find((one) => one.name === `code_interpreter_${name}`);
      return (found?.values ?? []) as Array<{ labels: object; value: number }>;
    },
    /** The values of a metric that are not zero. */
    async counted(name: string, from = metrics): Promise<Array<{ labels: object; value: number }>> {
      return (await this.metric(name, from)).filter(({ value }) => value > 0);
    },
    async close() {
      for (const workerLoop of consumers) await workerLoop.drain(0);
      await executionService.close();
      redis.disconnect();
      plain.disconnect();
      await server.stop();
    },
  };
}
