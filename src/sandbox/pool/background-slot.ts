import type { StopReason } from "../../domain/run.ts";
import type { Sandbox, SandboxSpec, Taken } from "../sandbox.ts";

/** Spare capacity for sandboxes outside the stock. */
export interface BackgroundLease {
  /** Aborted, with a StopReason, once an execution may need the capacity. */
  reclaimed: AbortSignal;
  take(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal): Promise<Taken>;
  discard(sandbox: Sandbox): Promise<void>;
  /** No more sandboxes are taken. The slot is free once those that were taken are gone. */
  end(): void;
}

interface Lease {
  stop: AbortController;
  inUseMax: number;
  /** Sandboxes that are taken or start. */
  taken: number;
  ended: boolean;
}

interface SandboxLifecycle {
  start(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  destroy(sandbox: Sandbox): Promise<void>;
}

/** Spare capacity beside the stock. It has one lease at a time, and reclaims it when executions need the capacity. */
export class BackgroundSlot {
  #lease: Lease | null = null;

  get leased(): boolean {
    return this.#lease !== null;
  }

  lease(inUseMax: number, { start, destroy }: SandboxLifecycle): BackgroundLease {
    const lease: Lease = { stop: new AbortController(), inUseMax, taken: 0, ended: false };
    this.#lease = lease;
    const freeWhenUnused = () => {
      if (lease.ended && lease.taken === 0) this.#lease = null;
    };
    const leave = () => {
      lease.taken -= 1;
      freeWhenUnused();
    };
    return {
      reclaimed: lease.stop.signal,
      take: async (spec, _preloaded, signal) => {
        lease.taken += 1;
        try {
          return { sandbox: await start(spec, signal), warm: false };
        } catch (error) {
          leave();
          throw error;
        }
      },
      discard: async (sandbox) => {
        await destroy(sandbox);
        leave();
      },
      end: () => {
        lease.ended = true;
        freeWhenUnused();
      },
    };
  }

  /** Asks for the lease back. The slot is free once the holder has discarded its sandboxes. */
  reclaim(): void {
    this.#lease?.stop.abort("shutdown" satisfies StopReason);
  }

  reclaimBeyond(inUse: number): void {
    if (this.#lease !== null && inUse > this.#lease.inUseMax) this.reclaim();
  }
}
