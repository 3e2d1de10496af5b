import type { Json } from "../servers/service.ts";
import type { Caller } from "./fault-rig.ts";

/** Allowed ends of an execution, as status or status/cause. */
export type Ending = string;

export interface Entry {
  readonly organization: string;
  readonly id: string;
  readonly endings: readonly Ending[];
  /** A cell of a session: its effects persist, so it never runs twice. */
  readonly once: boolean;
}

export interface Asked {
  /** Allowed ends; default `completed`. */
  endings?: readonly Ending[];
  headers?: Record<string, string>;
}

/** The caller's record of requests and accepted executions, independent of the service's. */
export class Ledger {
  /** By id. */
  readonly accepted = new Map<string, Entry>();
  /** Counts of refused requests by code, and of requests without a response. */
  readonly refused = new Map<string, number>();

  /** Posts an execution without waiting; returns its id, or null if it was refused or got no response. */
  async submit(caller: Caller, body: Record<string, unknown>, asked: Asked = {}): Promise<string | null> {
    const json = await this.post(caller, body, { ...asked, headers: { prefer: "respond-async", ...asked.headers } });
    return json?.id ?? null;
  }

  /** Posts an execution and waits for its end; returns the response body, or null as `submit`. */
  async post(caller: Caller, body: Record<string, unknown>, { endings = ["completed"], headers = {} }: Asked = {}): Promise<Json> {
    const answer = await caller.run(body, headers).catch(() => null);
    // An execution that failed in the service is returned as an error that contains the execution.
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
