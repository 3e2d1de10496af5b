import type { SandboxFacts } from "../domain/provenance.ts";
import type { SandboxFactory } from "../sandbox/sandbox.ts";

/** What a worker needs of the engine that makes its sandboxes, whichever it is. */
export interface SandboxEngine {
  readonly factory: SandboxFactory;
  /** Whether its sandboxes have a kernel of their own, which shows and counts less. */
  readonly ownKernel: boolean;
  /** For the log: which engine, and with what. */
  readonly description: Record<string, string>;
  /** For receipts: what the sandboxes are made of. */
  readonly facts: Omit<SandboxFacts, "runner_sha256">;
  /** Rejects while the engine does not answer. */
  ping(): Promise<unknown>;
  /** Removes what nobody owns any more. */
  reap(owners: Owners): Promise<void>;
  close(): Promise<void>;
}

export interface Owners {
  /** Whether the worker of that id has been heard of lately. Rejects when that can not be known. */
  isWorkerAlive: (workerId: string) => Promise<boolean>;
  /** Sandboxes that this worker still uses, whatever their deadline. */
  keeps: { workerId: string; knows: (id: string) => boolean };
}

/** Who makes sandboxes. */
export interface Owner {
  /** One for all workers of a Redis and prefix. */
  serviceId: string;
  workerId: string;
}

export interface EngineSize {
  /** Sandboxes started at one time. */
  starts: number;
  /** Sandboxes that may exist at one time. */
  sandboxes: number;
}
