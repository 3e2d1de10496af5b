import type { IdleSandbox } from "./idle-sandbox.ts";

/** The sandboxes that stand ready: which one fits an execution, which one is made readier next, which ones have to go. */
export class Stock {
  readonly #idle: IdleSandbox[] = [];

  get size(): number {
    return this.#idle.length;
  }

  /** How many are in the middle of an import. */
  get preloading(): number {
    return this.#idle.filter((idle) => idle.preloading !== null).length;
  }

  /** Whether each could be taken at once. */
  get calm(): boolean {
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

  /** The one that is opened for plain code; null when none is. */
  removeOpened(): IdleSandbox | null {
    const opened = this.#idle.find((idle) => idle.opened);
    if (opened !== undefined) this.remove(opened);
    return opened ?? null;
  }

  /** The dead, those that stand since before `oldest` (unix milliseconds), and those beyond what is wanted. */
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
   * The best match for an execution, which stays in the stock: preloaded for code that imports; for the rest the one that is opened
   * for it, else a plain one; not in the middle of an import. Null when there is none, or only one that is opened for the other kind.
   */
  bestMatch(wantsPreloaded: boolean): IdleSandbox | null {
    const progress = (idle: IdleSandbox) => (wantsPreloaded ? -idle.preloaded : idle.preloaded);
    const cost = (idle: IdleSandbox) => (idle.preloading === null ? 0 : 100) + (idle.opened ? -100 : progress(idle));
    const fitting = this.#idle.filter((idle) => !(idle.opened && wantsPreloaded));
    return fitting.reduce<IdleSandbox | null>((best, idle) => (best === null || cost(idle) < cost(best) ? idle : best), null);
  }

  /** The sandbox to preload next, so that the share of preloaded ones follows the share of code that wants them; at least one. */
  nextToPreload(heavyShare: number): IdleSandbox | null {
    const wanted = Math.max(1, Math.round(heavyShare * this.#idle.length));
    const furthest = [...this.#idle].sort((a, b) => b.preloaded - a.preloaded).slice(0, wanted);
    return furthest.find((idle) => idle.preloadable && !idle.dead) ?? null;
  }

  /** The sandbox to open for plain code before that comes. */
  nextToOpen(heavyShare: number): IdleSandbox | null {
    if (!roomForOpened(this.#idle.length, heavyShare) || this.#idle.some((idle) => idle.opened)) return null;
    return this.#idle.find((idle) => idle.sandbox.open !== undefined && !idle.dead) ?? null;
  }
}

/** Whether one of so many may be opened for plain code: never the only one, nor where code that imports wants all of them. */
function roomForOpened(stock: number, heavyShare: number): boolean {
  return Math.max(1, Math.round(heavyShare * stock)) < stock;
}
