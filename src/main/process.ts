import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { operatorLimits } from "../domain/limits.ts";
import { type Log, makeLog } from "../observe/log.ts";
import { type Metrics, makeMetrics } from "../observe/metrics.ts";
import { noTracing, type Tracing } from "../observe/trace.ts";
import { redisTroubleOf, troubleIn } from "../redis/trouble.ts";
import { type Config, ConfigError } from "./config.ts";
import { Reloads, readSettings } from "./reload.ts";

/** A started part of the service. `stop` shuts it down gracefully within the configured time. */
export interface Part {
  /** It serves callers, so it goes on for SHUTDOWN_DRAIN_MS after the signal, until no load balancer sends any. */
  drains?: true;
  stop(): Promise<void>;
}

export interface ProcessContext {
  config: Config;
  /** For secrets that a file of the operator names by their variables. */
  environment: Readonly<Record<string, string | undefined>>;
  log: Log;
  metrics: Metrics;
  tracing: Tracing;
  /** Aborted at the first signal: the process is not ready, and still serves. */
  draining: AbortSignal;
  /** Aborted when the graceful shutdown begins. */
  stopping: AbortSignal;
  reloads: Reloads;
}

/**
 * Runs a process: configuration, start, reload on SIGHUP, graceful shutdown on the first SIGTERM or SIGINT, immediate exit on the
 * second. Apart from `bin/`, only this function reads the environment, handles signals and exits.
 */
export async function runProcess(name: string, start: (context: ProcessContext) => Promise<Part>): Promise<void> {
  let reload = () => {};
  // Before anything else, because a signal without a handler ends the process.
  process.on("SIGHUP", () => reload());
  letHeapGrow();
  const config = configOrExit();
  const log = makeLog(config.LOG_LEVEL, { process: name }, isRedisOutage);
  // An unhandled rejection is a bug that leaves an unknown state: log it, exit, and let the process manager restart us.
  process.on("unhandledRejection", (error) => {
    log.fatal({ err: error }, "unhandled rejection");
    process.exit(1);
  });
  const reloads = new Reloads(config, process.env, log);
  reload = () => reloads.reload();
  const tracing = await openTracing(name, config, log);
  const draining = new AbortController();
  const stopping = new AbortController();
  const signalled = firstSignal(log);
  let part: Part | "signalled";
  try {
    const starting = start({
      config,
      environment: process.env,
      log,
      metrics: describeProcess(makeMetrics(), config),
      tracing,
      reloads,
      draining: draining.signal,
      stopping: stopping.signal,
    });
    part = await Promise.race([starting, signalled.then(() => "signalled" as const)]);
  } catch (error) {
    log.fatal({ err: error }, "the start failed");
    process.exit(1);
  }
  if (part === "signalled") {
    // Sandboxes end with the connections of this process; the next reaper removes orphans.
    log.info("stopped before it had started");
    process.exit(0);
  }
  log.info("started");
  await signalled;
  draining.abort();
  if (part.drains && config.SHUTDOWN_DRAIN_MS > 0) {
    log.info({ drainMs: config.SHUTDOWN_DRAIN_MS }, "not ready any more; still serving");
    await pause(config.SHUTDOWN_DRAIN_MS);
  }
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
 * Lets the heap double before V8 collects all of it. After an idle period V8 would allow only about a tenth more, and buffers of
 * requests count too: an upload of 64 MiB would then cost four full collections, more than all other work for it.
 */
function letHeapGrow(): void {
  setFlagsFromString("--heap-growing-percent=100");
}

function configOrExit(): Config {
  try {
    return readSettings(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is wrong:\n${error.message}\n`);
    process.exit(2);
  }
}

/** What does not change while the process runs. */
function describeProcess(metrics: Metrics, { limits }: Config): Metrics {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  metrics.buildInfo.set({ version, node: process.versions.node }, 1);
  for (const limit of operatorLimits) metrics.limit.set({ limit }, limits[limit]);
  return metrics;
}

function isRedisOutage(error: unknown): boolean {
  if (typeof error === "string") return troubleIn(error) !== null;
  return redisTroubleOf(error) !== null || (error instanceof Error && error.cause !== undefined && isRedisOutage(error.cause));
}

/** Loads the SDK only when a collector is configured. */
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
