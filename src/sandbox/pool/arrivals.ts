/** Weight of the newest observation in the moving averages. */
const SMOOTHING = 0.2;
/** After a longer pause, the old rate is forgotten. */
const FORGET_AFTER_MS = 30_000;

/**
 * Moving averages of the arrival rate of executions, the start time of a sandbox, and the share of code that wants
 * preloaded modules. The clock is a parameter.
 */
export class Arrivals {
  #lastAt: number | null = null;
  #gapMs: number | null = null;
  #startMs: number | null = null;
  #heavyShare = 0.5;

  recordArrival(nowMs: number, heavy: boolean): void {
    if (this.#lastAt !== null) {
      const gap = Math.min(nowMs - this.#lastAt, FORGET_AFTER_MS);
      this.#gapMs = average(this.#gapMs, gap);
    }
    this.#lastAt = nowMs;
    this.#heavyShare = average(this.#heavyShare, heavy ? 1 : 0);
  }

  recordStart(tookMs: number): void {
    this.#startMs = average(this.#startMs, tookMs);
  }

  /** Arrivals expected while one replacement starts: the mean plus two standard deviations of a Poisson stream. */
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
