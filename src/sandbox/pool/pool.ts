import { setTimeout as sleep } from "node:timers/promises";
import { memoryUnits } from "../../domain/memory-units.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Sandbox, SandboxFactory, SandboxSpec, Taken } from "../sandbox.ts";
import { Arrivals } from "./arrivals.ts";
import { type Spare, SpareRoom } from "./background-slot.ts";
import { EarliestTimer } from "./earliest-timer.ts";
import { IdleSandbox } from "./idle-sandbox.ts";
import { Stock } from "./stock.ts";

export interface PoolOptions {
  factory: SandboxFactory;
  /** What every pooled sandbox is; others are started on demand. */
  spec: SandboxSpec;
  sizeMin: number;
  sizeMax: number;
  /** Sandboxes that may exist at one time, in use, idle and on their way in or out; one with more memory than `spec` counts as several. */
  capacity: number;
  /** Sandboxes being started at one time. */
  startsMax: number;
  /** An idle sandbox is replaced at this age, well before the reaper would take it for forgotten. */
  idleMsMax: number;
  /** An import that takes longer costs the sandbox. */
  preloadMsMax: number;
  metrics: Metrics;
  log: Log;
}

interface Waiter {
  resolve: (sandbox: Sandbox) => void;
}

/**
 * While others stand ready, a sandbox is replaced at the latest this much after it was taken, or after its run was over:
 * an answer wants the same cores, and so do files on their way in.
 */
const REFILL_DELAY_MS = { ordinary: 40, bringsFiles: 500 };
const RETRY_DELAY_MS = { first: 100, max: 5_000 };
const UPKEEP_INTERVAL_MS = 1_000;

/**
 * Sandboxes that stand ready, each for one execution. Who takes a sandbox gives it to `discard` in `finally`. The
 * stock is refilled as it is used, follows the measured rate of arrivals between its two sizes, and is preloaded
 * with heavy modules, or one of it opened for plain code, only while nothing runs.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #arrivals = new Arrivals();
  readonly #closing = new AbortController();
  readonly #stock = new Stock();
  readonly #spareRoom = new SpareRoom();
  readonly #waiters: Waiter[] = [];
  readonly #work = new Set<Promise<void>>();
  #starting = 0;
  #existing = 0;
  #inUse = 0;
  #resting = 0;
  readonly #known = new Set<string>();
  #failures = 0;
  #retryTimer: NodeJS.Timeout | null = null;
  readonly #refillTimer = new EarliestTimer(() => this.#refill());
  #upkeepTimer: NodeJS.Timeout | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Begins to fill the stock. */
  open(): void {
    this.#upkeepTimer = setInterval(() => this.#keepUp(), UPKEEP_INTERVAL_MS);
    this.#refill();
  }

  /** Resolves with a sandbox that nobody used before. Rejects with the signal's reason. */
  async take(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal, bringsFiles = false): Promise<Taken> {
    signal.throwIfAborted();
    const { poolTakes } = this.#options.metrics;
    this.#begin(wantsPreloaded);
    try {
      const taken = await this.#acquire(spec, wantsPreloaded, signal);
      poolTakes.inc({ start: taken.warm ? "warm" : this.#isStocked(spec) ? "cold" : "other_size" });
      return taken;
    } catch (error) {
      this.#inUse -= 1;
      // Whoever was told to stop did not go without for want of a sandbox.
      if (!stopped(signal)) poolTakes.inc({ start: "none" });
      throw error;
    } finally {
      this.#refillIn(bringsFiles ? REFILL_DELAY_MS.bringsFiles : REFILL_DELAY_MS.ordinary);
    }
  }

  /** A sandbox that stands ready and can be opened before it is needed; null when there is none. */
  takeAhead(spec: SandboxSpec, wantsPreloaded: boolean): Taken | null {
    const idle = this.#isStocked(spec) ? this.#stock.bestMatch(wantsPreloaded) : null;
    if (idle === null || idle.sandbox.open === undefined || idle.dead) return null;
    this.#begin(wantsPreloaded);
    this.#stock.remove(idle);
    this.#options.metrics.poolTakes.inc({ start: "warm" });
    this.#refillIn(REFILL_DELAY_MS.ordinary);
    return { sandbox: idle.sandbox, warm: true };
  }

  /** Destroys a taken sandbox and starts its replacement. Never throws. */
  async discard(sandbox: Sandbox): Promise<void> {
    this.#inUse -= 1;
    const gone = this.#destroyAfterAnswer(sandbox);
    this.#track(gone);
    this.#refillIn(REFILL_DELAY_MS.ordinary);
    await gone;
  }

  /** A taken sandbox waits for the next cell of its session: it keeps its memory, but no others from preloading. */
  rest(): void {
    this.#inUse -= 1;
    this.#resting += 1;
    this.#warmUp();
    this.#report();
  }

  /** The opposite of `rest`; to be called before `discard` as well. */
  wake(): void {
    this.#resting -= 1;
    this.#inUse += 1;
    this.#report();
  }

  /**
   * Room beside the stock for work that nobody waits for; null unless the stock is full, nothing starts or waits, and at
   * most `inUseMax` sandboxes are in use, which leaves a core free. What is made in it is nobody's execution, and counts as none.
   */
  spare(inUseMax: number): Spare | null {
    const full = this.#stock.size >= this.#target() && this.#stock.calm;
    const quiet = this.#starting === 0 && this.#waiters.length === 0 && this.#inUse <= inUseMax;
    const room = this.#existing < this.#options.capacity && !this.#spareRoom.given && !this.#closing.signal.aborted;
    if (!full || !quiet || !room) return null;
    return this.#spareRoom.give(inUseMax, {
      start: (spec, signal) => this.#startOutsideStock(spec, signal),
      end: (sandbox) => {
        const gone = this.#destroy(sandbox);
        this.#track(gone);
        return gone;
      },
    });
  }

  /** Whether it is in the stock or in use, however old it is. */
  knows(sandboxId: string): boolean {
    return this.#known.has(sandboxId);
  }

  /** Idle sandboxes that could be taken now. */
  get idle(): number {
    return this.#stock.size;
  }

  /** Starts nothing more and destroys the stock; taken sandboxes stay with their takers. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the pool is closing"));
    this.#spareRoom.reclaim();
    this.#refillTimer.clear();
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    if (this.#upkeepTimer !== null) clearInterval(this.#upkeepTimer);
    for (const idle of this.#stock.removeAll()) this.#track(this.#destroy(idle.sandbox));
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#options.factory.settled();
    this.#report();
  }

  #begin(wantsPreloaded: boolean): void {
    this.#arrivals.arrived(Date.now(), wantsPreloaded);
    this.#inUse += 1;
    if (this.#stock.size === 0) this.#spareRoom.reclaim();
    else this.#spareRoom.reclaimBeyond(this.#inUse);
  }

  async #acquire(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal): Promise<Taken> {
    if (!this.#isStocked(spec)) return { sandbox: await this.#startOutsideStock(spec, signal), warm: false };
    for (let idle = this.#stock.bestMatch(wantsPreloaded); idle !== null; idle = this.#stock.bestMatch(wantsPreloaded)) {
      this.#stock.remove(idle);
      await this.#settled(idle, signal);
      if (!idle.dead) return { sandbox: idle.sandbox, warm: true };
      this.#bury(idle);
    }
    return { sandbox: await this.#wait(signal), warm: false };
  }

  #isStocked(spec: SandboxSpec): boolean {
    return spec.memoryMb === this.#options.spec.memoryMb;
  }

  /** Waits for the import that goes on in a sandbox; who gives up leaves the sandbox to whoever waits, or to the stock. */
  async #settled(idle: IdleSandbox, signal: AbortSignal): Promise<void> {
    const { preloading } = idle;
    if (preloading === null) return;
    await Promise.race([preloading, aborted(signal)]);
    if (!signal.aborted) return;
    if (this.#closing.signal.aborted) this.#track(this.#destroy(idle.sandbox));
    else if (this.#waiters.length === 0) this.#stock.add(idle);
    else this.#track(preloading.then(() => (idle.dead ? this.#bury(idle) : this.#admit(idle.sandbox))));
    signal.throwIfAborted();
  }

  #wait(signal: AbortSignal): Promise<Sandbox> {
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
      if (!stopped(signal)) metrics.sandboxStartFailures.inc();
      throw error;
    }
  }

  #refillIn(delayMs: number): void {
    if (this.#stock.size === 0) this.#refill();
    else this.#refillTimer.dueIn(delayMs);
  }

  /** What is opened for plain code goes, when other code waits and no sandbox can be made for it. */
  #makeRoom(): void {
    if (this.#waiters.length <= this.#starting || this.#existing < this.#options.capacity) return;
    const opened = this.#stock.removeOpened();
    if (opened !== null) this.#track(this.#destroy(opened.sandbox));
  }

  /** Starts as many sandboxes as waiters and stock lack, within the bounds. */
  #refill(): void {
    if (this.#closing.signal.aborted) return;
    this.#makeRoom();
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
    this.#report();
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
      this.#arrivals.started(Date.now() - startedAt);
      this.#failures = 0;
      this.#starting -= 1;
      this.#admit(sandbox);
    } catch (error) {
      this.#starting -= 1;
      this.#existing -= 1;
      if (this.#closing.signal.aborted) return;
      log.error({ err: error }, "a sandbox did not start");
      this.#retryLater();
    }
    this.#refill();
    this.#warmUp();
  }

  #admit(sandbox: Sandbox): void {
    this.#known.add(sandbox.id);
    if (this.#closing.signal.aborted) {
      this.#track(this.#destroy(sandbox));
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(sandbox);
    else this.#stock.add(new IdleSandbox(sandbox, Date.now()));
  }

  /** An engine that fails is asked again after a growing pause, also while executions wait: they have their own deadline. */
  #retryLater(): void {
    if (this.#retryTimer !== null) return;
    const delayMs = Math.min(RETRY_DELAY_MS.first * 2 ** this.#failures, RETRY_DELAY_MS.max);
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#refill();
    }, delayMs);
  }

  /** Once a second: replaces the dead and the old, follows the rate of arrivals up and down. */
  #keepUp(): void {
    const oldest = Date.now() - this.#options.idleMsMax;
    for (const idle of this.#stock.removeOutdated(this.#target(), this.#arrivals.heavyShare, oldest)) {
      if (idle.dead) this.#bury(idle);
      else this.#track(this.#destroy(idle.sandbox));
    }
    if (!this.#refillTimer.pending) this.#refill();
    this.#warmUp();
  }

  #bury(idle: IdleSandbox): void {
    this.#options.metrics.poolDead.inc();
    this.#track(this.#destroy(idle.sandbox));
  }

  /** One module into one sandbox, or the process for plain code, and only while nothing else is going on. */
  #warmUp(): void {
    if (this.#inUse > 0 || this.#starting > 0 || this.#closing.signal.aborted) return;
    this.#stock.nextToOpen(this.#arrivals.heavyShare)?.openForPlainCode();
    if (this.#stock.preloading > 0) return;
    const next = this.#stock.nextToPreload(this.#arrivals.heavyShare);
    if (next === null) return;
    this.#track(next.preloadNext(this.#options.metrics, this.#options.preloadMsMax).then(() => this.#warmUp()));
    this.#report();
  }

  async #destroyAfterAnswer(sandbox: Sandbox): Promise<void> {
    if (this.#stock.size > 0) await sleep(REFILL_DELAY_MS.ordinary);
    await this.#destroy(sandbox);
  }

  async #destroy(sandbox: Sandbox): Promise<void> {
    await sandbox.destroy();
    this.#known.delete(sandbox.id);
    this.#existing -= this.#unitsOf(sandbox.spec);
    this.#refill();
    this.#warmUp();
  }

  #unitsOf({ memoryMb }: SandboxSpec): number {
    return memoryUnits(memoryMb, this.#options.spec.memoryMb);
  }

  /** Work that a closing pool waits for; it never rejects. */
  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  #report(): void {
    const { poolSandboxes, poolTarget } = this.#options.metrics;
    const { preloading, size } = this.#stock;
    poolSandboxes.set({ state: "idle" }, size - preloading);
    poolSandboxes.set({ state: "preloading" }, preloading);
    poolSandboxes.set({ state: "starting" }, this.#starting);
    poolSandboxes.set({ state: "in_use" }, this.#inUse);
    poolSandboxes.set({ state: "resting" }, this.#resting);
    poolTarget.set(this.#closing.signal.aborted ? 0 : this.#target());
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Whether its owner gave up by decision, not for lack of time. */
function stopped(signal: AbortSignal): boolean {
  return signal.aborted && !(signal.reason instanceof DOMException && signal.reason.name === "TimeoutError");
}
