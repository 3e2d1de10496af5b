import type { ToolAnswer, ToolCall } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { StoredCall } from "./answered-calls.ts";
import type { AwaitedAnswers } from "./awaited-answers.ts";
import { expireCallScript, openCallsScript } from "./scripts.ts";

/** Calls that the code makes at the same moment are announced together, so that a caller sees all of them at once. */
const GATHER_MS = 2;

export interface CallerToolsDeps {
  redis: RedisClient;
  keys: Keys;
  log: Log;
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  answers: AwaitedAnswers;
  /** Resolves once everything that the code printed before is in the event stream. */
  flush(): Promise<void>;
}

/** Calls that the caller answers over HTTP: they wait in Redis, and any api process takes the answers. */
export class CallerTools {
  readonly #deps: CallerToolsDeps;
  #gathered: StoredCall[] = [];
  #order = 0;
  #answered = false;

  constructor(deps: CallerToolsDeps) {
    this.#deps = deps;
  }

  call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    if (this.#gathered.length === 0) setTimeout(() => void this.#announce(), GATHER_MS);
    const args = JSON.parse(call.argumentsJson) as StoredCall["arguments"];
    this.#gathered.push({ call_id: call.callId, name: call.name, arguments: args, order: this.#order++ });
    const onAnswered = () => {
      this.#answered = true;
    };
    return this.#deps.answers.wait(call.callId, signal, { onAnswered, onAbort: () => void this.#expire(call.callId) });
  }

  mayHaveEffects(): boolean {
    return this.#answered;
  }

  async #announce(): Promise<void> {
    const { redis, keys, stored, flush } = this.#deps;
    const calls = this.#gathered;
    this.#gathered = [];
    try {
      await flush();
      const { organization, id, attempt } = stored;
      const values = calls.flatMap((call) => [call.call_id, call.name, JSON.stringify(call)]);
      await openCallsScript.run(redis, keys.base, { organization, id, attempt }, values);
    } catch (error) {
      this.#deps.log.warn({ execution: stored.id, err: error }, "tool calls could not be announced");
      const answer: ToolAnswer = { outcome: "failed", json: '"the call could not be passed on"' };
      for (const call of calls) this.#deps.answers.settle(call.call_id, answer);
    }
  }

  async #expire(callId: string): Promise<void> {
    const { redis, keys, stored, log, answers } = this.#deps;
    const { organization, id } = stored;
    try {
      // Without effect on a call that is being answered now: its answer is taken.
      if (!(await expireCallScript.run(redis, keys.base, { organization, id, callId }))) await answers.take();
    } catch (error) {
      log.warn({ execution: id, err: error }, "a tool call could not be withdrawn");
    }
    answers.settle(callId, { outcome: "timeout", json: "" });
  }
}
