import { createHash } from "node:crypto";
import type { RequestId } from "@modelcontextprotocol/server";

export interface CallName {
  organization: string;
  /** The `Mcp-Session-Id` header. Without it, calls of different clients cannot be distinguished. */
  mcpSession: string | null;
  id: RequestId;
}

/** Label in an execution's metadata by which its call can be cancelled; null without an MCP session. */
export function labelOf({ organization, mcpSession, id }: CallName): string | null {
  if (mcpSession === null) return null;
  return createHash("sha256")
    .update(JSON.stringify([organization, mcpSession, id]))
    .digest("hex")
    .slice(0, 32);
}

/**
 * Calls that run in this process, by label. Clients of the 2025 protocol cancel with a separate request, which shares only
 * the session header and the call's id with the call.
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
      // A faulty client may have started another call with the same id.
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
