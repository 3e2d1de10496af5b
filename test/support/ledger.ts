import type { Caller } from "./fault-world.ts";
import type { Json } from "./service.ts";

/** What one execution may end as, as status or status/cause. */
export type Ending = string;

export interface Entry {
  readonly organization: string;
  readonly id: string;
  readonly endings: readonly Ending[];
  /** A cell of a session: its effects stay, so it is never run twice. */
  readonly once: boolean;
}

export interface Asked {
  /** Any of these is a true word about it; `completed` alone when not given. */
  endings?: readonly Ending[];
  headers?: Record<string, string>;
}

/** What was asked of a service and accepted by it: the side of the caller, kept apart from what the service says. */
export class Ledger {
  /** By id. */
  readonly accepted = new Map<string, Entry>();
  /** Answers that accepted nothing, by code, and requests that got no answer. */
  readonly refused = new Map<string, number>();

  /** Posts an execution that is not waited for; returns its id, or null when it was refused or nobody answered. */
  async submit(caller: Caller, body: Record<string, unknown>, asked: Asked = {}): Promise<string | null> {
    const json = await this.post(caller, body, { ...asked, headers: { prefer: "respond-async", ...asked.headers } });
    return json?.id ?? null;
  }

  /** Posts an execution and waits for its end; returns the answer's body, or null as `submit`. */
  async post(caller: Caller, body: Record<string, unknown>, { endings = ["completed"], headers = {} }: Asked = {}): Promise<Json> {
    const answer = await caller.run(body, headers).catch(() => null);
    // One that ended by a fault of ours is answered as an error, with the execution in it.
    const execution = answer?.json?.execution ?? answer?.json;
    if (answer === null || typeof execution?.id !== "string") {
      const code: string = answer === null ? "no answer" : (answer.json?.code ?? answer.json?.error?.code ?? `${answer.status}`);
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      return null;
    }
    const { organization } = caller;
    const once = body.container !== undefined;
    this.accepted.set(execution.id, { organization, id: execution.id, endings, once });
    return execution;
  }
}
