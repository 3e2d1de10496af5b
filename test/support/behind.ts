import type { SandboxFactory } from "../../src/sandbox/sandbox.ts";

/** What tests know of an engine behind the `SandboxFactory` that a worker has: a look from outside, and a hard hand. */
export interface Behind {
  factory: SandboxFactory;
  /** Ids of all sandboxes that this engine has made and not removed. */
  containers(): Promise<string[]>;
  exists(id: string): Promise<boolean>;
  /** Ends every process of a sandbox, as an operator or a short memory would. */
  kill(id: string): Promise<void>;
  /** Stops all of its processes where they are. */
  pause(id: string): Promise<void>;
  /** What an end from outside leaves as evidence. */
  killedEvidence: object;
  close(): Promise<void>;
}
