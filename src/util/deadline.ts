export interface Deadline {
  /** Aborted with the outer signal's reason, or with a TimeoutError after the time. */
  signal: AbortSignal;
  /** Stops the timer and no longer follows the outer signal. */
  clear(): void;
}

/**
 * A signal that aborts with another signal or after `ms`. Not `AbortSignal.any` with `AbortSignal.timeout`: Node may garbage-collect
 * the timer's signal while only the combined one is referenced, and then it never fires.
 */
export function deadlineAfter(ms: number, outer: AbortSignal): Deadline {
  const controller = new AbortController();
  const follow = () => controller.abort(outer.reason);
  const timer = setTimeout(() => controller.abort(new DOMException(`not done within ${ms} ms`, "TimeoutError")), ms);
  const clear = () => {
    clearTimeout(timer);
    outer.removeEventListener("abort", follow);
  };
  controller.signal.addEventListener("abort", clear, { once: true });
  if (outer.aborted) follow();
  else outer.addEventListener("abort", follow, { once: true });
  return { signal: controller.signal, clear };
}
