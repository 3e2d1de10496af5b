/** Assumed rate when nothing was measured: a cautious guess for two cores. */
const RUNS_PER_SECOND_UNMEASURED = 2;
const BUCKET_MS = 10_000;
const RETRY_AFTER_SECONDS_MAX = 60;

/**
 * Retry-After for a refused caller, seconds: how long the waiting executions take at the measured rate. `counters` are
 * the runs that ended in the current and earlier 10-second buckets, newest first.
 */
export function retryAfterSeconds(waiting: number, counters: readonly number[], nowMs: number): number {
  const oldest = counters.findLastIndex((count) => count > 0);
  const runs = counters.reduce((sum, count) => sum + count, 0);
  // At least one second of the current bucket, or the first run after a pause would look like a high rate.
  const seconds = (oldest * BUCKET_MS + Math.max(nowMs % BUCKET_MS, 1_000)) / 1_000;
  const runsPerSecond = oldest < 0 ? RUNS_PER_SECOND_UNMEASURED : runs / seconds;
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waiting / runsPerSecond)));
}
