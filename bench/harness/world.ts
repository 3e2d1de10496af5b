import type { ChildProcess } from "node:child_process";
import { type Limits, makeLimits } from "../../src/domain/limits.ts";
import { makeMetrics } from "../../src/observe/metrics.ts";
import { connectEngine, type EngineClient } from "../../src/sandbox/docker/engine-client.ts";

/** What `npm start` is made of, handed over by scripts/bench.mjs, so that the service measured is the service people start. */
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
  /** The image's root file system, and the OCI runtime, for the engine without Docker. */
  rootfs: string;
  ociRuntime: string;
}

/** Everything a question needs to be measured. */
export interface World extends Machine {
  launcher: Launcher;
  limits: Limits;
  engine: EngineClient;
  /** Seed of every random arrival. */
  seed: number;
  /** Fewer and shorter measurements: shows that a question works, not what its answer is. */
  quick: boolean;
  /** Returns the first in a full run, the second in a quick one. */
  pick<T>(full: T, quick: T): T;
  /** Tells whoever waits what is going on. */
  tell(text: string): void;
}

/** One line of the table. `ours` and `baseline` are in `unit`; `met` is null where the number is only reported. */
export interface Row {
  question: string;
  unit: string;
  ours: number;
  baseline?: number;
  ratio?: number;
  target?: string;
  met: boolean | null;
  /** What the one number stands for: percentiles, counts, shares. Goes to the JSON, and to the table where short. */
  detail?: Record<string, unknown>;
  /** Lines printed below the table. */
  notes?: string[];
}

export type Measure = (world: World) => Promise<Row[]>;

export function makeWorld(
  machine: Machine,
  launcher: Launcher,
  options: { seed: number; quick: boolean; tell(text: string): void },
): World {
  const { seed, quick, tell } = options;
  return {
    ...machine,
    launcher,
    limits: makeLimits(),
    engine: connectEngine({ host: machine.dockerHost }, makeMetrics()),
    seed,
    quick,
    pick: (full, brief) => (quick ? brief : full),
    tell,
  };
}
