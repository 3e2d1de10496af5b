import { createHash } from "node:crypto";
import type { RequestId } from "@modelcontextprotocol/server";

export interface CallName {
  organization: string;
  /** The `Mcp-Session-Id` header; without one, calls of different clients could not be told apart. */
  mcpSession: string | null;
  id: RequestId;
}

/** What an execution bears in its metadata so that the call it was made for can be cancelled; null when it has no name. */
export function labelOf({ organization, mcpSession, id }: CallName): string | null {
  if (mcpSession === null) return null;
  return createHash("sha256")
    .update(JSON.stringify([organization, mcpSession, id]))
    .digest("hex")
    .slice(0, 32);
}

/**
 * Calls that run in this process, by label. Clients of the 2025 protocol cancel with a request of its own, which
 * has nothing but the session header and the call's id in common with the call.
 */
export class RunningCalls {
  readonly #calls = new Map<string, AbortController>();

  /** Runs `work` so that `cancel` with the same label aborts its signal. */
  async track<T>(label: string | null, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (label === null) return work(signal);
    const controller = new AbortController();
    this.#calls.set(label, controller);
    try {
      return await work(AbortSignal.any([signal, controller.signal]));
    } finally {
      // Another call may have come under the same name, which is its client's mistake.
      if (this.#calls.get(label) === controller) this.#calls.delete(label);
    }
  }

  /** False when no such call runs here. */
  cancel(label: string): boolean {
    const found = this.#calls.get(label);
    found?.abort();
    return found !== undefined;
  }
}
