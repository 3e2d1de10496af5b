import type { IdleSandbox } from "./idle-sandbox.ts";

/** Sandboxes that are ready: selects the one for an execution, the next to preload or open, and those to remove. */
export class Stock {
  readonly #idle: IdleSandbox[] = [];

  get size(): number {
    return this.#idle.length;
  }

  /** Number of sandboxes that are importing a module. */
  get preloading(): number {
    return this.#idle.filter((idle) => idle.preloading !== null).length;
  }

  /** Whether every sandbox could be taken immediately. */
  get allReady(): boolean {
    return this.#idle.every((idle) => idle.preloading === null && !idle.dead);
  }

  add(idle: IdleSandbox): void {
    this.#idle.push(idle);
  }

  remove(idle: IdleSandbox): void {
    this.#idle.splice(this.#idle.indexOf(idle), 1);
  }

  removeAll(): IdleSandbox[] {
    return this.#idle.splice(0);
  }

  /** Removes the sandbox that is opened for plain code; null when there is none. */
  removeOpened(): IdleSandbox | null {
    const opened = this.#idle.find((idle) => idle.opened);
    if (opened !== undefined) this.remove(opened);
    return opened ?? null;
  }

  /** Removes dead sandboxes, those made before `oldest` (unix milliseconds), and those beyond the target. */
  removeOutdated(target: number, heavyShare: number, oldest: number): IdleSandbox[] {
    return [...this.#idle].filter((idle) => {
      if (idle.preloading !== null) return false;
      const excess = this.#idle.length > target || (idle.opened && !roomForOpened(target, heavyShare));
      if (!idle.dead && idle.since > oldest && !excess) return false;
      this.remove(idle);
      return true;
    });
  }

  /**
   * The best match for an execution; it stays in the stock. Code with heavy imports gets the most preloaded sandbox and never
   * an opened one. Plain code gets the opened sandbox, else the least preloaded. A sandbox that is importing comes last. Null
   * when none fits.
   */
  bestMatch(wantsPreloaded: boolean): IdleSandbox | null {
    const progress = (idle: IdleSandbox) => (wantsPreloaded ? -idle.preloaded : idle.preloaded);
    const cost = (idle: IdleSandbox) => (idle.preloading === null ? 0 : 100) + (idle.opened ? -100 : progress(idle));
    const fitting = this.#idle.filter((idle) => !(idle.opened && wantsPreloaded));
    return fitting.reduce<IdleSandbox | null>((best, idle) => (best === null || cost(idle) < cost(best) ? idle : best), null);
  }

  /** The next sandbox to preload. The share of preloaded sandboxes follows the share of code that wants them; at least one. */
  nextToPreload(heavyShare: number): IdleSandbox | null {
    const wanted = Math.max(1, Math.round(heavyShare * this.#idle.length));
    const furthest = [...this.#idle].sort((a, b) => b.preloaded - a.preloaded).slice(0, wanted);
    return furthest.find((idle) => idle.preloadable && !idle.dead) ?? null;
  }

  /** The next sandbox to open for plain code. At most one is open. */
  nextToOpen(heavyShare: number): IdleSandbox | null {
    if (!roomForOpened(this.#idle.length, heavyShare) || this.#idle.some((idle) => idle.opened)) return null;
    return this.#idle.find((idle) => idle.sandbox.open !== undefined && !idle.dead) ?? null;
  }
}

/** Whether a stock of this size may have a sandbox opened for plain code: not the only one, nor when heavy code wants all. */
function roomForOpened(stock: number, heavyShare: number): boolean {
  return Math.max(1, Math.round(heavyShare * stock)) < stock;
}
