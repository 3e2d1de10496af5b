import type { SandboxFacts } from "../domain/provenance.ts";
import type { SandboxFactory } from "../sandbox/sandbox.ts";

/** What a worker needs of a sandbox engine. */
export interface SandboxEngine {
  readonly factory: SandboxFactory;
  /** Whether its sandboxes have their own kernel (gVisor), which shows and counts less. */
  readonly ownKernel: boolean;
  /** For the log: the engine and its settings. */
  readonly description: Record<string, string>;
  /** For receipts: image and seccomp profile of the sandboxes. */
  readonly facts: Omit<SandboxFacts, "runner_sha256">;
  /** Rejects while the engine does not answer. */
  ping(): Promise<unknown>;
  /** Removes orphaned sandboxes. */
  reap(owners: Owners): Promise<void>;
  close(): Promise<void>;
}

export interface Owners {
  /** Whether this worker has a recent heartbeat. Rejects when that is unknown. */
  isWorkerAlive: (workerId: string) => Promise<boolean>;
  /** Sandboxes that this worker still uses, regardless of their deadline. */
  keeps: { workerId: string; knows: (id: string) => boolean };
}

/** The owner of sandboxes. */
export interface Owner {
  /** Shared by all workers of one Redis and prefix. */
  serviceId: string;
  workerId: string;
}

export interface EngineSize {
  /** Concurrent sandbox starts. */
  starts: number;
  /** Sandboxes that may exist at once. */
  sandboxes: number;
}
