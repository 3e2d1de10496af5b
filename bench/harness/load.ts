import { setTimeout as sleep } from "node:timers/promises";
import { seeded } from "./numbers.ts";

/** Milliseconds of successful work, and failures. */
export interface Outcome {
  ms: number[];
  failures: string[];
}

export type Work = () => Promise<unknown>;

/** Milliseconds from the start at which a Poisson stream of that rate arrives, within the duration. */
export function poissonArrivals(options: { perSecond: number; durationMs: number; seed: number }): number[] {
  const random = seeded(options.seed);
  const times: number[] = [];
  const gap = () => (-Math.log(1 - random()) / options.perSecond) * 1000;
  for (let at = gap(); at < options.durationMs; at += gap()) times.push(at);
  return times;
}

export function regularArrivals(options: { everyMs: number; durationMs: number }): number[] {
  return Array.from({ length: Math.floor(options.durationMs / options.everyMs) }, (_, index) => index * options.everyMs);
}

/** Starts work at its times even if earlier work still runs, so that slow responses do not reduce the load. */
export async function atTimes(times: readonly number[], work: Work): Promise<Outcome> {
  const outcome: Outcome = { ms: [], failures: [] };
  const started = performance.now();
  const running: Array<Promise<boolean>> = [];
  for (const at of times) {
    await sleep(Math.max(0, at - (performance.now() - started)));
    running.push(timed(work, outcome));
  }
  await Promise.all(running);
  return outcome;
}

export interface Rate extends Outcome {
  perSecond: number;
}

/** Keeps `clients` executions running without a pause, and counts those that end after the warm-up. */
export async function backToBack(options: { clients: number; warmUpMs: number; durationMs: number }, work: Work): Promise<Rate> {
  const outcome: Outcome = { ms: [], failures: [] };
  const started = performance.now();
  const from = started + options.warmUpMs;
  const until = from + options.durationMs;
  let ended = 0;
  const client = async () => {
    while (performance.now() < until) {
      const succeeded = await timed(work, outcome);
      const now = performance.now();
      if (succeeded && now >= from && now < until) ended += 1;
    }
  };
  await Promise.all(Array.from({ length: options.clients }, client));
  return { ...outcome, perSecond: (ended / options.durationMs) * 1000 };
}

/** Runs a number of executions with bounded concurrency. */
export async function count(total: number, clients: number, work: Work): Promise<Outcome> {
  const outcome: Outcome = { ms: [], failures: [] };
  let left = total;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      await timed(work, outcome);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return outcome;
}

export function join(outcomes: readonly Outcome[]): Outcome {
  return { ms: outcomes.flatMap((outcome) => outcome.ms), failures: outcomes.flatMap((outcome) => outcome.failures) };
}

async function timed(work: Work, outcome: Outcome): Promise<boolean> {
  const started = performance.now();
  try {
    await work();
    outcome.ms.push(performance.now() - started);
    return true;
  } catch (error) {
    outcome.failures.push(error instanceof Error ? error.message : String(error));
    return false;
  }
}
