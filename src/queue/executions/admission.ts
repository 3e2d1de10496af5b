/** What the service does on two cores when it has no history to measure: a cautious guess. */
const RUNS_PER_SECOND_UNMEASURED = 2;
const BUCKET_MS = 10_000;
const RETRY_AFTER_SECONDS_MAX = 60;

/**
 * Seconds after which a refused caller may come again: the time the waiting executions take at the measured rate.
 * `counters` are runs ended in the current 10-s bucket and the ones before it, newest first.
 */
export function retryAfterSeconds(waiting: number, counters: readonly number[], nowMs: number): number {
  const oldest = counters.findLastIndex((count) => count > 0);
  const runs = counters.reduce((sum, count) => sum + count, 0);
  // The current bucket is young: at least one second, or the first run after a pause would look like a flood.
  const seconds = (oldest * BUCKET_MS + Math.max(nowMs % BUCKET_MS, 1_000)) / 1_000;
  const runsPerSecond = oldest < 0 ? RUNS_PER_SECOND_UNMEASURED : runs / seconds;
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waiting / runsPerSecond)));
}
