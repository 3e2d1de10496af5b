import type { Metrics } from "../../observe/metrics.ts";
import type { Sandbox } from "../sandbox.ts";
import { preloadSteps } from "./preload.ts";

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
