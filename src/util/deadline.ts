export interface Deadline {
  /** Aborted with the outer signal's reason, or with a TimeoutError once the time is up. */
  signal: AbortSignal;
  /** Ends the timer; the signal is then never aborted by this deadline. */
  clear(): void;
}

/**
 * A signal that follows another and has a time of its own. `AbortSignal.any` over `AbortSignal.timeout` looks the same, but
 * Node may collect the timer's signal while only the combined one is held, and then it never fires.
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
