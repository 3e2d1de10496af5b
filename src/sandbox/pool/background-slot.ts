import type { StopReason } from "../../domain/run.ts";
import type { Sandbox, SandboxSpec, Taken } from "../sandbox.ts";

/** Room for one sandbox that nobody needs now. */
export interface Spare {
  /** Aborted, with a StopReason, once an execution may want the room. */
  wanted: AbortSignal;
  take(spec: SandboxSpec, wantsPreloaded: boolean, signal: AbortSignal): Promise<Taken>;
  discard(sandbox: Sandbox): Promise<void>;
}

/** How the sandbox in it comes and goes. */
interface Ways {
  start(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  end(sandbox: Sandbox): Promise<void>;
}

/** The room beside the stock: given to one at a time, from whom it is taken back when executions want it. */
export class SpareRoom {
  #given: { stop: AbortController; inUseMax: number } | null = null;

  get given(): boolean {
    return this.#given !== null;
  }

  give(inUseMax: number, { start, end }: Ways): Spare {
    const stop = new AbortController();
    this.#given = { stop, inUseMax };
    return {
      wanted: stop.signal,
      take: async (spec, _preloaded, signal) => {
        try {
          return { sandbox: await start(spec, signal), warm: false };
        } catch (error) {
          this.#given = null;
          throw error;
        }
      },
      discard: async (sandbox) => {
        await end(sandbox);
        this.#given = null;
      },
    };
  }

  /** It is empty again once who has it has given it back. */
  reclaim(): void {
    this.#given?.stop.abort("shutdown" satisfies StopReason);
  }

  reclaimBeyond(inUse: number): void {
    if (this.#given !== null && inUse > this.#given.inUseMax) this.reclaim();
  }
}
