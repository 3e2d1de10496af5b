import type { StopReason } from "../../domain/run.ts";
import type { Sandbox, SandboxSpec, Taken } from "../sandbox.ts";

/** Spare capacity for one sandbox outside the stock. */
export interface BackgroundLease {
  /** Aborted, with a StopReason, once an execution may need the capacity. */
  reclaimed: AbortSignal;
  take(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal): Promise<Taken>;
  discard(sandbox: Sandbox): Promise<void>;
}

interface SandboxLifecycle {
  start(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  destroy(sandbox: Sandbox): Promise<void>;
}

/** Spare capacity beside the stock. It has one lease at a time, and reclaims it when executions need the capacity. */
export class BackgroundSlot {
  #lease: { stop: AbortController; inUseMax: number } | null = null;

  get leased(): boolean {
    return this.#lease !== null;
  }

  lease(inUseMax: number, { start, destroy }: SandboxLifecycle): BackgroundLease {
    const stop = new AbortController();
    this.#lease = { stop, inUseMax };
    return {
      reclaimed: stop.signal,
      take: async (spec, _preloaded, signal) => {
        try {
          return { sandbox: await start(spec, signal), warm: false };
        } catch (error) {
          this.#lease = null;
          throw error;
        }
      },
      discard: async (sandbox) => {
        await destroy(sandbox);
        this.#lease = null;
      },
    };
  }

  /** Asks for the lease back. The slot is free once the holder has discarded its sandbox. */
  reclaim(): void {
    this.#lease?.stop.abort("shutdown" satisfies StopReason);
  }

  reclaimBeyond(inUse: number): void {
    if (this.#lease !== null && inUse > this.#lease.inUseMax) this.reclaim();
  }
}
