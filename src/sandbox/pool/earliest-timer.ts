/** Calls back once, at the earliest of the requested times, and can then be set again. */
export class EarliestTimer {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | null = null;
  /** On the monotonic clock. */
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  get pending(): boolean {
    return this.#timer !== null;
  }

  dueIn(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (at >= this.#dueAt) return;
    this.clear();
    this.#dueAt = at;
    this.#timer = setTimeout(() => {
      this.clear();
      this.#onDue();
    }, delayMs);
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }
}
