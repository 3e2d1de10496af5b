/** Weight of the newest observation in the moving averages. */
const SMOOTHING = 0.2;
/** A pause longer than this says that the old rate no longer holds. */
const FORGET_AFTER_MS = 30_000;

/**
 * What the pool learns from its work: how fast executions arrive, how long a sandbox takes to start, which share
 * of the code wants preloaded modules. Moving averages; the clock is a parameter.
 */
export class Arrivals {
  #lastAt: number | null = null;
  #gapMs: number | null = null;
  #startMs: number | null = null;
  #heavyShare = 0.5;

  arrived(nowMs: number, heavy: boolean): void {
    if (this.#lastAt !== null) {
      const gap = Math.min(nowMs - this.#lastAt, FORGET_AFTER_MS);
      this.#gapMs = average(this.#gapMs, gap);
    }
    this.#lastAt = nowMs;
    this.#heavyShare = average(this.#heavyShare, heavy ? 1 : 0);
  }

  started(tookMs: number): void {
    this.#startMs = average(this.#startMs, tookMs);
  }

  /** How many arrivals a stock must bridge while one replacement starts: the mean and two deviations of a Poisson stream. */
  stockNeeded(nowMs: number): number {
    if (this.#gapMs === null || this.#lastAt === null || this.#startMs === null) return 0;
    const gap = Math.max(this.#gapMs, nowMs - this.#lastAt);
    if (gap >= FORGET_AFTER_MS) return 0;
    const expected = this.#startMs / Math.max(gap, 1);
    return Math.ceil(expected + 2 * Math.sqrt(expected));
  }

  get heavyShare(): number {
    return this.#heavyShare;
  }
}

function average(old: number | null, observed: number): number {
  return old === null ? observed : old + SMOOTHING * (observed - old);
}
