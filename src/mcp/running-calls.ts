import type { RequestId } from "@modelcontextprotocol/server";

/**
 * Calls that run in this process, by who made them. Clients of the 2025 protocol cancel with a request of its own,
 * which has nothing but the session header and the call's id in common with the call.
 */
export class RunningCalls {
  readonly #calls = new Map<string, AbortController>();

  /** Runs `work` so that `cancel` with the same caller and id aborts its signal. */
  async track<T>(call: CallName, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const name = textOf(call);
    if (name === null) return work(signal);
    const controller = new AbortController();
    this.#calls.set(name, controller);
    try {
      return await work(AbortSignal.any([signal, controller.signal]));
    } finally {
      // Another call may have come under the same name, which is its client's mistake.
      if (this.#calls.get(name) === controller) this.#calls.delete(name);
    }
  }

  cancel(call: CallName): void {
    const name = textOf(call);
    if (name !== null) this.#calls.get(name)?.abort();
  }
}

export interface CallName {
  organization: string;
  /** The `Mcp-Session-Id` header; without one, calls of different clients could not be told apart. */
  mcpSession: string | null;
  id: RequestId;
}

function textOf({ organization, mcpSession, id }: CallName): string | null {
  return mcpSession === null ? null : JSON.stringify([organization, mcpSession, id]);
}
