import type { ChildProcess } from "node:child_process";
import { type Limits, makeLimits } from "../../src/domain/limits.ts";
import { makeMetrics } from "../../src/observe/metrics.ts";
import { connectEngine, type EngineClient } from "../../src/sandbox/docker/engine-client.ts";

/** The parts of `npm start`, passed in by scripts/bench.mjs, so that the measured service is the one that users start. */
export interface Launcher {
  startRedis(options: {
    dataFolder: string;
    env: Record<string, string>;
  }): Promise<{ url: string; child: ChildProcess; stop(): Promise<unknown> }>;
  launchService(options: { root: string; env: NodeJS.ProcessEnv; logFile: string }): { child: ChildProcess; url: string };
  waitUntilReady(service: { child: ChildProcess; url: string; logFile: string }): Promise<unknown>;
  endChild(child: ChildProcess, graceMs: number): Promise<boolean>;
  freePort(host: string, first: number, except?: number[]): Promise<number>;
}

export interface Machine {
  root: string;
  image: string;
  dockerHost: string;
  /** The image's root file system and the runtime for the OCI engine. */
  rootfs: string;
  ociRuntime: string;
}

/** Everything that a measurement needs. */
export interface BenchContext extends Machine {
  launcher: Launcher;
  limits: Limits;
  engine: EngineClient;
  /** Seed of every random arrival. */
  seed: number;
  /** Few and short measurements, to check that a question works. */
  quick: boolean;
  /** Returns the first in a full run, the second in a quick one. */
  pick<T>(full: T, quick: T): T;
  /** Reports progress. */
  log(text: string): void;
}

/** One line of the table. `ours` and `baseline` are in `unit`; `met` is null if the number has no target. */
export interface Row {
  question: string;
  unit: string;
  ours: number;
  baseline?: number;
  ratio?: number;
  target?: string;
  met: boolean | null;
  /** Details of the number: percentiles, counts, shares. Written to the JSON, and to the table if short. */
  detail?: Record<string, unknown>;
  /** Lines printed below the table. */
  notes?: string[];
}

export type Measure = (context: BenchContext) => Promise<Row[]>;

export function makeBenchContext(
  machine: Machine,
  launcher: Launcher,
  options: { seed: number; quick: boolean; log(text: string): void },
): BenchContext {
  const { seed, quick, log } = options;
  return {
    ...machine,
    launcher,
    limits: makeLimits(),
    engine: connectEngine({ host: machine.dockerHost }, makeMetrics()),
    seed,
    quick,
    pick: (full, brief) => (quick ? brief : full),
    log,
  };
}
