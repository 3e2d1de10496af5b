import type { Metrics } from "../../observe/metrics.ts";
import type { Sandbox } from "../sandbox.ts";
import { preloadSteps } from "./preload.ts";

/** A sandbox in stock, and its preloading progress. */
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

  /** Settles when the current import ends; null when there is none. */
  get preloading(): Promise<void> | null {
    return this.#preloading;
  }

  /** Preloading steps that are done or under way. */
  get preloaded(): number {
    return this.#preloaded;
  }

  /** Whether an import remains. Never where `open` forks the runner with the modules already loaded. */
  get preloadable(): boolean {
    return this.#preloaded < preloadSteps.length && this.sandbox.open === undefined;
  }

  /** Whether the runner for plain code is already forked. */
  get opened(): boolean {
    return this.#opened;
  }

  openForPlainCode(): void {
    this.#opened = true;
    this.sandbox.open?.(false);
  }

  /** Imports the next module. Never rejects: a sandbox that does not answer correctly is destroyed, and later found dead. */
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
    const timeout = setTimeout(() => void this.sandbox.destroy(), timeoutMs);
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
      clearTimeout(timeout);
    }
  }
}
