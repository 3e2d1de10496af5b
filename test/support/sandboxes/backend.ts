import type { SandboxFactory } from "../../../src/sandbox/sandbox.ts";

/** A worker's `SandboxFactory` with access to the engine behind it, to inspect sandboxes and to disturb them. */
export interface Backend {
  factory: SandboxFactory;
  /** Ids of all sandboxes that this engine has made and not removed. */
  containers(): Promise<string[]>;
  exists(id: string): Promise<boolean>;
  /** Kills every process of a sandbox, like an operator or the OOM killer. */
  kill(id: string): Promise<void>;
  /** Freezes all processes of a sandbox. */
  pause(id: string): Promise<void>;
  /** Evidence of a sandbox that was killed from outside. */
  killedEvidence: object;
  close(): Promise<void>;
}
