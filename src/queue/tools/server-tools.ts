import type { ServerTools as Servers, ServerTool, ToolAnswer, ToolCall } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { AwaitedAnswers } from "./awaited-answers.ts";
import { offerServerCallScript, withdrawServerCallScript } from "./scripts.ts";

/** A call as Redis keeps it until an api process has made it. */
export interface ServerCallEntry {
  organization: string;
  id: string;
  attempt: number;
  callId: string;
  label: string;
  tool: string;
  name: string;
  readOnly: boolean;
  argumentsJson: string;
}

export interface ServerToolsDeps {
  redis: RedisClient;
  keys: Keys;
  log: Log;
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  servers: readonly Servers[];
  answers: AwaitedAnswers;
}

/** Calls to MCP servers of the operator. An api process makes them: only there are their addresses and secrets. */
export class ServerTools {
  readonly #deps: ServerToolsDeps;
  readonly #tools: ReadonlyMap<string, { label: string; tool: ServerTool }>;
  #mayHaveEffects = false;

  constructor(deps: ServerToolsDeps) {
    this.#deps = deps;
    this.#tools = new Map(deps.servers.flatMap(({ label, tools }) => tools.map((tool) => [tool.name, { label, tool }] as const)));
  }

  has(name: string): boolean {
    return this.#tools.has(name);
  }

  call({ callId, name, argumentsJson }: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    const known = this.#tools.get(name);
    if (known === undefined) throw new Error("a call to a tool that no server has");
    const { tool, readOnly } = known.tool;
    if (!readOnly) this.#mayHaveEffects = true;
    const answered = this.#deps.answers.wait(callId, signal, { onAbort: () => this.#withdraw(callId) });
    void this.#offer({ callId, label: known.label, tool, name, readOnly, argumentsJson });
    return answered;
  }

  /** A call of a tool that is not read-only counts as soon as it is offered. */
  mayHaveEffects(): boolean {
    return this.#mayHaveEffects;
  }

  async #offer(call: Omit<ServerCallEntry, "organization" | "id" | "attempt">): Promise<void> {
    const { redis, keys, stored, log, answers } = this.#deps;
    const { organization, id, attempt } = stored;
    const { callId, label } = call;
    try {
      const callJson = JSON.stringify({ organization, id, attempt, ...call } satisfies ServerCallEntry);
      const readOnly = call.readOnly ? 1 : 0;
      await offerServerCallScript.run(redis, keys.base, { organization, id, attempt, callId, label, readOnly, callJson });
    } catch (error) {
      log.warn({ execution: id, err: error }, "a call to an MCP server could not be passed on");
      answers.settle(callId, { outcome: "failed", json: '"the call could not be passed on"' });
    }
  }

  #withdraw(callId: string): void {
    const { redis, keys, stored, log, answers } = this.#deps;
    withdrawServerCallScript.run(redis, keys.base, { callId }).catch((error: unknown) => {
      log.warn({ execution: stored.id, err: error }, "a call to an MCP server could not be withdrawn");
    });
    answers.settle(callId, { outcome: "timeout", json: "" });
  }
}
