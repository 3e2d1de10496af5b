import type { Metrics } from "../observe/metrics.ts";
import { preloadSteps } from "./preload.ts";
import type { Sandbox } from "./sandbox.ts";

/** A sandbox that stands ready, and how far it is preloaded. */
export class IdleSandbox {
  readonly sandbox: Sandbox;
  /** Unix milliseconds. */
  readonly since: number;
  #preloaded = 0;
  #preloading: Promise<void> | null = null;
  #opened = false;

  constructor(sandbox: Sandbox, since: number) {
    this.sandbox = sandbox;
    this.since = since;
  }

  get dead(): boolean {
    return this.sandbox.lost.aborted;
  }

  /** Settles when the module being imported now is there; null when none is. */
  get preloading(): Promise<void> | null {
    return this.#preloading;
  }

  /** Steps of preloading done or begun. */
  get preloaded(): number {
    return this.#preloaded;
  }

  /** Whether there is still something to import; not where the process is made for what code wants. */
  get preloadable(): boolean {
    return this.#preloaded < preloadSteps.length && this.sandbox.open === undefined;
  }

  /** Whether the process for plain code is there already. */
  get opened(): boolean {
    return this.#opened;
  }

  openForPlainCode(): void {
    this.#opened = true;
    this.sandbox.open?.(false);
  }

  /** Imports the next module. Never rejects: what does not answer as it should is destroyed, and found dead by the next who looks. */
  preloadNext(metrics: Metrics, timeoutMs: number): Promise<void> {
    const module = preloadSteps[this.#preloaded];
    if (module === undefined || this.#preloading !== null) throw new Error("nothing to preload");
    this.#preloaded += 1;
    this.#preloading = this.#preload(module, metrics, timeoutMs).finally(() => {
      this.#preloading = null;
    });
    return this.#preloading;
  }

  async #preload(module: string, metrics: Metrics, timeoutMs: number): Promise<void> {
    const tooLate = setTimeout(() => void this.sandbox.destroy(), timeoutMs);
    try {
      await this.sandbox.send({ kind: "preload", head: { module } });
      const answer = await this.sandbox.receive();
      const loaded = answer?.kind === "preloaded" && answer.head.ok === true;
      metrics.preloads.inc({ result: loaded ? "loaded" : "failed" });
      if (answer?.kind !== "preloaded") await this.sandbox.destroy();
    } catch {
      metrics.preloads.inc({ result: "failed" });
      await this.sandbox.destroy();
    } finally {
      clearTimeout(tooLate);
    }
  }
}

/**
 * The best match for an execution: preloaded for code that imports; for the rest the one that is opened for it, else a plain
 * one; not in the middle of an import. Null when there is none, or only one that is opened for the other kind.
 */
export function bestMatch(stock: readonly IdleSandbox[], wantsPreloaded: boolean): IdleSandbox | null {
  const progress = (idle: IdleSandbox) => (wantsPreloaded ? -idle.preloaded : idle.preloaded);
  const cost = (idle: IdleSandbox) => (idle.preloading === null ? 0 : 100) + (idle.opened ? -100 : progress(idle));
  const fitting = stock.filter((idle) => !(idle.opened && wantsPreloaded));
  return fitting.reduce<IdleSandbox | null>((best, idle) => (best === null || cost(idle) < cost(best) ? idle : best), null);
}

/** The sandbox to preload next, so that the share of preloaded ones follows the share of code that wants them; at least one. */
export function nextToPreload(stock: readonly IdleSandbox[], heavyShare: number): IdleSandbox | null {
  const wanted = Math.max(1, Math.round(heavyShare * stock.length));
  const furthest = [...stock].sort((a, b) => b.preloaded - a.preloaded).slice(0, wanted);
  return furthest.find((idle) => idle.preloadable && !idle.dead) ?? null;
}

/** Whether one of so many may be opened for plain code: never the only one, nor where code that imports wants all of them. */
export function roomForOpened(stock: number, heavyShare: number): boolean {
  return Math.max(1, Math.round(heavyShare * stock)) < stock;
}

/** The sandbox to open for plain code before that comes. */
export function nextToOpen(stock: readonly IdleSandbox[], heavyShare: number): IdleSandbox | null {
  if (!roomForOpened(stock.length, heavyShare) || stock.some((idle) => idle.opened)) return null;
  return stock.find((idle) => idle.sandbox.open !== undefined && !idle.dead) ?? null;
}
