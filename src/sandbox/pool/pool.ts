import { setTimeout as sleep } from "node:timers/promises";
import { memoryUnits } from "../../domain/memory-units.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { orAborted } from "../../util/race.ts";
import type { Sandbox, SandboxFactory, SandboxSpec, Taken } from "../sandbox.ts";
import { Arrivals } from "./arrivals.ts";
import { type BackgroundLease, BackgroundSlot } from "./background-slot.ts";
import { EarliestTimer } from "./earliest-timer.ts";
import { IdleSandbox } from "./idle-sandbox.ts";
import { Stock } from "./stock.ts";

export interface PoolOptions {
  factory: SandboxFactory;
  /** Spec of the sandboxes in stock; others are started on demand. */
  spec: SandboxSpec;
  sizeMin: number;
  sizeMax: number;
  /** Slots for sandboxes in use, in stock, starting or being removed; one with more memory than `spec` occupies several. */
  capacity: number;
  /** Concurrent starts for the stock. */
  startsMax: number;
  /** Age at which a sandbox in stock is replaced, well before the reaper would treat it as an orphan. */
  idleMsMax: number;
  /** A sandbox whose import takes longer is destroyed. */
  preloadMsMax: number;
  metrics: Metrics;
  log: Log;
}

interface Waiter {
  resolve: (sandbox: Sandbox) => void;
}

/**
 * While the stock is not empty, a sandbox is replaced at most this long after it was taken, or after its run ended: responses
 * and input files take priority over refilling the stock.
 */
const REFILL_DELAY_MS = { ordinary: 40, bringsFiles: 500 };
const RETRY_DELAY_MS = { first: 100, max: 5_000 };
const UPKEEP_INTERVAL_MS = 1_000;

/**
 * A stock of ready sandboxes, each for one execution. The code that takes a sandbox passes it to `discard` in `finally`.
 * The stock is refilled as it is used, and its size follows the arrival rate between `sizeMin` and `sizeMax`. Sandboxes
 * are preloaded with heavy modules, or opened for plain code, only while nothing runs.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #arrivals = new Arrivals();
  readonly #closing = new AbortController();
  readonly #stock = new Stock();
  readonly #spareSlot = new BackgroundSlot();
  readonly #waiters: Waiter[] = [];
  readonly #work = new Set<Promise<void>>();
  #starting = 0;
  #existing = 0;
  #inUse = 0;
  #idleSessions = 0;
  readonly #known = new Set<string>();
  #failures = 0;
  #retryTimer: NodeJS.Timeout | null = null;
  readonly #refillTimer = new EarliestTimer(() => this.#refill());
  #upkeepTimer: NodeJS.Timeout | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Starts to fill the stock. */
  open(): void {
    this.#upkeepTimer = setInterval(() => this.#replaceOutdated(), UPKEEP_INTERVAL_MS);
    this.#refill();
  }

  /** Resolves with a sandbox that was never used. Rejects with the signal's reason. */
  async take(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal, bringsFiles = false): Promise<Taken> {
    signal.throwIfAborted();
    const { poolTakes } = this.#options.metrics;
    this.#recordTake(wantsPreloaded);
    try {
      const taken = await this.#acquire(spec, wantsPreloaded, signal);
      poolTakes.inc({ start: taken.warm ? "warm" : this.#isStocked(spec) ? "cold" : "other_size" });
      return taken;
    } catch (error) {
      this.#inUse -= 1;
      // A caller that was stopped did not fail for lack of a sandbox.
      if (!wasStopped(signal)) poolTakes.inc({ start: "none" });
      throw error;
    } finally {
      this.#refillIn(bringsFiles ? REFILL_DELAY_MS.bringsFiles : REFILL_DELAY_MS.ordinary);
    }
  }

  /** Takes a sandbox from stock that can be opened before its code arrives; null when there is none. */
  takeAhead(spec: SandboxSpec, wantsPreloaded: boolean): Taken | null {
    const idle = this.#isStocked(spec) ? this.#stock.bestMatch(wantsPreloaded) : null;
    if (idle === null || idle.sandbox.open === undefined || idle.dead) return null;
    this.#recordTake(wantsPreloaded);
    this.#stock.remove(idle);
    this.#options.metrics.poolTakes.inc({ start: "warm" });
    this.#refillIn(REFILL_DELAY_MS.ordinary);
    return { sandbox: idle.sandbox, warm: true };
  }

  /** Destroys a taken sandbox and starts its replacement. Never throws. */
  async discard(sandbox: Sandbox): Promise<void> {
    this.#inUse -= 1;
    const removal = this.#destroyAfterResponse(sandbox);
    this.#track(removal);
    this.#refillIn(REFILL_DELAY_MS.ordinary);
    await removal;
  }

  /** Marks a taken sandbox as waiting for the next cell of its session. It keeps its slot, and no longer delays preloading. */
  markIdle(): void {
    this.#inUse -= 1;
    this.#idleSessions += 1;
    this.#prepareStock();
    this.#updateMetrics();
  }

  /** Reverts `markIdle`. Call it before `discard` too. */
  markInUse(): void {
    this.#idleSessions -= 1;
    this.#inUse += 1;
    this.#updateMetrics();
  }

  /**
   * Leases spare capacity for the background work of so many sandboxes. Null unless the stock is full, nothing starts or
   * waits, and at most `inUseMax` sandboxes are in use, which leaves a core free. Usage and metrics exclude what runs there.
   */
  spare(inUseMax: number, sandboxes = 1): BackgroundLease | null {
    const full = this.#stock.size >= this.#target() && this.#stock.allReady;
    const noDemand = this.#starting === 0 && this.#waiters.length === 0 && this.#inUse <= inUseMax;
    const room = this.#existing + sandboxes <= this.#options.capacity && !this.#spareSlot.leased && !this.#closing.signal.aborted;
    if (!full || !noDemand || !room) return null;
    return this.#spareSlot.lease(inUseMax, {
      start: (spec, signal) => this.#startOutsideStock(spec, signal),
      destroy: (sandbox) => {
        const removal = this.#destroy(sandbox);
        this.#track(removal);
        return removal;
      },
    });
  }

  /** Whether the sandbox is in stock or in use, regardless of its age. */
  knows(sandboxId: string): boolean {
    return this.#known.has(sandboxId);
  }

  /** Size of the stock. */
  get idle(): number {
    return this.#stock.size;
  }

  /** Stops starting sandboxes and destroys the stock. Taken sandboxes are left to the code that took them. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the pool is closing"));
    this.#spareSlot.reclaim();
    this.#refillTimer.clear();
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    if (this.#upkeepTimer !== null) clearInterval(this.#upkeepTimer);
    for (const idle of this.#stock.removeAll()) this.#track(this.#destroy(idle.sandbox));
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#options.factory.settled();
    this.#updateMetrics();
  }

  #recordTake(wantsPreloaded: boolean): void {
    this.#arrivals.recordArrival(Date.now(), wantsPreloaded);
    this.#inUse += 1;
    if (this.#stock.size === 0) this.#spareSlot.reclaim();
    else this.#spareSlot.reclaimBeyond(this.#inUse);
  }

  async #acquire(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal): Promise<Taken> {
    if (!this.#isStocked(spec)) return { sandbox: await this.#startOutsideStock(spec, signal), warm: false };
    for (let idle = this.#stock.bestMatch(wantsPreloaded); idle !== null; idle = this.#stock.bestMatch(wantsPreloaded)) {
      this.#stock.remove(idle);
      await this.#untilPreloaded(idle, signal);
      if (!idle.dead) return { sandbox: idle.sandbox, warm: true };
      this.#destroyDead(idle);
    }
    return { sandbox: await this.#waitForSandbox(signal), warm: false };
  }

  #isStocked(spec: SandboxSpec): boolean {
    return spec.memoryMb === this.#options.spec.memoryMb;
  }

  /** Waits for the current import. If the signal aborts first, the sandbox goes to the next waiter, or back to the stock. */
  async #untilPreloaded(idle: IdleSandbox, signal: AbortSignal): Promise<void> {
    const { preloading } = idle;
    if (preloading === null) return;
    await orAborted(preloading, signal).catch(() => undefined);
    if (!signal.aborted) return;
    if (this.#closing.signal.aborted) this.#track(this.#destroy(idle.sandbox));
    else if (this.#waiters.length === 0) this.#stock.add(idle);
    else this.#track(preloading.then(() => (idle.dead ? this.#destroyDead(idle) : this.#deliver(idle.sandbox))));
    signal.throwIfAborted();
  }

  #waitForSandbox(signal: AbortSignal): Promise<Sandbox> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (sandbox) => {
          signal.removeEventListener("abort", leave);
          resolve(sandbox);
        },
      };
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#refill();
    });
  }

  async #startOutsideStock(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const units = this.#unitsOf(spec);
    this.#existing += units;
    try {
      const sandbox = await this.#create(spec, signal);
      this.#known.add(sandbox.id);
      return sandbox;
    } catch (error) {
      this.#existing -= units;
      throw error;
    }
  }

  async #create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { factory, metrics } = this.#options;
    const startedAt = performance.now();
    try {
      const sandbox = await factory.create(spec, signal);
      metrics.sandboxStart.observe((performance.now() - startedAt) / 1000);
      return sandbox;
    } catch (error) {
      if (!wasStopped(signal)) metrics.sandboxStartFailures.inc();
      throw error;
    }
  }

  #refillIn(delayMs: number): void {
    if (this.#stock.size === 0) this.#refill();
    else this.#refillTimer.dueIn(delayMs);
  }

  /** Destroys the sandbox opened for plain code when other code waits and the capacity is used up. */
  #evictOpened(): void {
    if (this.#waiters.length <= this.#starting || this.#existing < this.#options.capacity) return;
    const opened = this.#stock.removeOpened();
    if (opened !== null) this.#track(this.#destroy(opened.sandbox));
  }

  /** Starts the sandboxes that waiters and stock need, within the bounds. */
  #refill(): void {
    if (this.#closing.signal.aborted) return;
    this.#evictOpened();
    const wanted = this.#target() + this.#waiters.length;
    while (
      this.#stock.size + this.#starting < wanted &&
      this.#starting < this.#options.startsMax &&
      this.#existing < this.#options.capacity &&
      this.#retryTimer === null
    ) {
      this.#starting += 1;
      this.#existing += 1;
      this.#track(this.#startOne());
    }
    this.#updateMetrics();
  }

  #target(): number {
    const { sizeMin, sizeMax } = this.#options;
    return Math.min(sizeMax, Math.max(sizeMin, this.#arrivals.stockNeeded(Date.now())));
  }

  async #startOne(): Promise<void> {
    const { spec, log } = this.#options;
    const startedAt = Date.now();
    try {
      const sandbox = await this.#create(spec, this.#closing.signal);
      this.#arrivals.recordStart(Date.now() - startedAt);
      this.#failures = 0;
      this.#starting -= 1;
      this.#deliver(sandbox);
    } catch (error) {
      this.#starting -= 1;
      this.#existing -= 1;
      if (this.#closing.signal.aborted) return;
      log.error({ err: error }, "a sandbox did not start");
      this.#retryLater();
    }
    this.#refill();
    this.#prepareStock();
  }

  #deliver(sandbox: Sandbox): void {
    this.#known.add(sandbox.id);
    if (this.#closing.signal.aborted) {
      this.#track(this.#destroy(sandbox));
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(sandbox);
    else this.#stock.add(new IdleSandbox(sandbox, Date.now()));
  }

  /** Retries a failed start with exponential backoff, even while executions wait: they have their own deadline. */
  #retryLater(): void {
    if (this.#retryTimer !== null) return;
    const delayMs = Math.min(RETRY_DELAY_MS.first * 2 ** this.#failures, RETRY_DELAY_MS.max);
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#refill();
    }, delayMs);
  }

  /** Once a second: replaces dead and old sandboxes, and adapts the stock to the arrival rate. */
  #replaceOutdated(): void {
    const oldest = Date.now() - this.#options.idleMsMax;
    for (const idle of this.#stock.removeOutdated(this.#target(), this.#arrivals.heavyShare, oldest)) {
      if (idle.dead) this.#destroyDead(idle);
      else this.#track(this.#destroy(idle.sandbox));
    }
    if (!this.#refillTimer.pending) this.#refill();
    this.#prepareStock();
  }

  #destroyDead(idle: IdleSandbox): void {
    this.#options.metrics.poolDead.inc();
    this.#track(this.#destroy(idle.sandbox));
  }

  /** Opens one sandbox for plain code, or imports one module into one sandbox, only while nothing else happens. */
  #prepareStock(): void {
    if (this.#inUse > 0 || this.#starting > 0 || this.#closing.signal.aborted) return;
    this.#stock.nextToOpen(this.#arrivals.heavyShare)?.openForPlainCode();
    if (this.#stock.preloading > 0) return;
    const next = this.#stock.nextToPreload(this.#arrivals.heavyShare);
    if (next === null) return;
    this.#track(next.preloadNext(this.#options.metrics, this.#options.preloadMsMax).then(() => this.#prepareStock()));
    this.#updateMetrics();
  }

  async #destroyAfterResponse(sandbox: Sandbox): Promise<void> {
    if (this.#stock.size > 0) await sleep(REFILL_DELAY_MS.ordinary);
    await this.#destroy(sandbox);
  }

  async #destroy(sandbox: Sandbox): Promise<void> {
    await sandbox.destroy();
    this.#known.delete(sandbox.id);
    this.#existing -= this.#unitsOf(sandbox.spec);
    this.#refill();
    this.#prepareStock();
  }

  #unitsOf({ memoryMb }: SandboxSpec): number {
    return memoryUnits(memoryMb, this.#options.spec.memoryMb);
  }

  /** Makes `close` wait for `work`, which never rejects. */
  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  #updateMetrics(): void {
    const { poolSandboxes, poolTarget } = this.#options.metrics;
    const { preloading, size } = this.#stock;
    poolSandboxes.set({ state: "idle" }, size - preloading);
    poolSandboxes.set({ state: "preloading" }, preloading);
    poolSandboxes.set({ state: "starting" }, this.#starting);
    poolSandboxes.set({ state: "in_use" }, this.#inUse);
    poolSandboxes.set({ state: "resting" }, this.#idleSessions);
    poolTarget.set(this.#closing.signal.aborted ? 0 : this.#target());
  }
}

/** Whether the signal was aborted by decision, not by a timeout. */
function wasStopped(signal: AbortSignal): boolean {
  return signal.aborted && !(signal.reason instanceof DOMException && signal.reason.name === "TimeoutError");
}
