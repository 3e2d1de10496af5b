import { setFlagsFromString } from "node:v8";
import { type Log, makeLog } from "../observe/log.ts";
import { type Metrics, makeMetrics } from "../observe/metrics.ts";
import { noTracing, type Tracing } from "../observe/trace.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";

/** A started part of the service; `stop` is its orderly end and never takes longer than the configured bound. */
export interface Part {
  stop(): Promise<void>;
}

export interface World {
  config: Config;
  log: Log;
  metrics: Metrics;
  tracing: Tracing;
  /** Aborted when the orderly stop begins. */
  stopping: AbortSignal;
}

/**
 * The life of a process: configuration, start, orderly stop on the first SIGTERM or SIGINT, exit at once on the
 * second. Alone with its neighbours in `bin/` it reads the environment, catches signals and exits.
 */
export async function runProcess(name: string, start: (world: World) => Promise<Part>): Promise<void> {
  letHeapGrow();
  const config = configOrExit();
  const log = makeLog(config.LOG_LEVEL, { process: name });
  // A promise nobody handled is a bug whose state is unknown: say so and let the supervisor start anew.
  process.on("unhandledRejection", (error) => {
    log.fatal({ err: error }, "unhandled rejection");
    process.exit(1);
  });
  const tracing = await openTracing(name, config, log);
  const stopping = new AbortController();
  const signalled = firstSignal(log);
  let part: Part | "signalled";
  try {
    const starting = start({ config, log, metrics: makeMetrics(), tracing, stopping: stopping.signal });
    part = await Promise.race([starting, signalled.then(() => "signalled" as const)]);
  } catch (error) {
    log.fatal({ err: error }, "the start failed");
    process.exit(1);
  }
  if (part === "signalled") {
    // What had begun ends with the process: sandboxes with their connection, their remains with the next reaper.
    log.info("stopped before it had started");
    process.exit(0);
  }
  log.info("started");
  await signalled;
  log.info("stopping");
  stopping.abort();
  const overdue = setTimeout(() => {
    log.error({ shutdownMs: config.limits.shutdownMsMax }, "the stop took too long");
    process.exit(1);
  }, config.limits.shutdownMsMax);
  await part.stop();
  await tracing.stop();
  clearTimeout(overdue);
  log.info("stopped");
  process.exit(0);
}

/**
 * To twice what is alive, before V8 looks through all of it. After a quiet while it would allow hardly a tenth more, and the
 * buffers of a request count as well: an upload of 64 MiB then costs four such passes, more than all else that is done for it.
 */
function letHeapGrow(): void {
  setFlagsFromString("--heap-growing-percent=100");
}

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is wrong:\n${error.message}\n`);
    process.exit(2);
  }
}

/** The SDK is loaded only where traces have somewhere to go. */
async function openTracing(name: string, config: Config, log: Log): Promise<Tracing> {
  const wanted = config.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined || config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
  if (!wanted || config.OTEL_SDK_DISABLED) return noTracing;
  const { startTracing } = await import("../observe/otel.ts");
  return startTracing({ process: name, share: config.OTEL_TRACES_SAMPLER_ARG, log });
}

function firstSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals === 1) return resolve();
        log.warn({ signal }, "second signal: exiting now");
        process.exit(1);
      });
    }
  });
}
