import { deadlineAfter } from "./deadline.ts";

/**
 * Races work against a signal or a deadline. The work itself is not stopped; pass it the same signal if it can stop. No listener
 * or timer is left behind.
 */

/** The value of `work`. Rejects with the signal's reason once it aborts. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The value of `work`. Rejects with an Error with this message after `ms`. */
export async function orTimeout<T>(work: Promise<T>, ms: number, message: string): Promise<T> {
  const deadline = deadlineAfter(ms, new AbortController().signal);
  try {
    return await orAborted(work, deadline.signal);
  } catch (error) {
    throw error === deadline.signal.reason ? new Error(message) : error;
  } finally {
    deadline.clear();
  }
}

/** The value of `work`, or undefined after `ms`. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const deadline = deadlineAfter(ms, new AbortController().signal);
  try {
    return await orAborted(work, deadline.signal);
  } catch (error) {
    if (error === deadline.signal.reason) return undefined;
    throw error;
  } finally {
    deadline.clear();
  }
}
