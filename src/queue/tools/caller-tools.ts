import type { ToolAnswer, ToolCall } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import type { StoredCall } from "./answered-calls.ts";
import { expireCallScript, openCallsScript, takeAnswersScript } from "./scripts.ts";

/** Calls that the code makes at the same moment are announced together, so that a caller sees all of them at once. */
const GATHER_MS = 2;

export interface CallerToolsDeps {
  redis: RedisClient;
  keys: Keys;
  log: Log;
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  watch: AnswerWatch;
  /** Resolves once everything that the code printed before is in the event stream. */
  flush(): Promise<void>;
}

/** Calls that the caller answers over HTTP: they wait in Redis, and any api process takes the answers. */
export class CallerTools {
  readonly #deps: CallerToolsDeps;
  readonly #waiting = new Map<string, (answer: ToolAnswer) => void>();
  #gathered: StoredCall[] = [];
  /** Answers that have arrived here. Redis may forget them. */
  #taken: string[] = [];
  #order = 0;
  #answered = false;

  constructor(deps: CallerToolsDeps) {
    this.#deps = deps;
    deps.watch.add(deps.stored.id, () => this.#takeAnswers());
  }

  call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: ToolAnswer) => {
        if (!this.#waiting.delete(call.callId)) return;
        signal.removeEventListener("abort", expire);
        resolve(answer);
      };
      const expire = () => void this.#expire(call.callId);
      this.#waiting.set(call.callId, settle);
      signal.addEventListener("abort", expire, { once: true });
      if (this.#gathered.length === 0) setTimeout(() => void this.#announce(), GATHER_MS);
      const args = JSON.parse(call.argumentsJson) as StoredCall["arguments"];
      this.#gathered.push({ call_id: call.callId, name: call.name, arguments: args, order: this.#order++ });
    });
  }

  mayHaveEffects(): boolean {
    return this.#answered;
  }

  close(): void {
    this.#deps.watch.remove(this.#deps.stored.id);
    for (const callId of [...this.#waiting.keys()]) this.#settle(callId, { outcome: "timeout", json: "" });
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
      for (const call of calls) this.#settle(call.call_id, answer);
    }
  }

  async #takeAnswers(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const { redis, keys, stored } = this.#deps;
    const { organization, id, attempt } = stored;
    const taken = [...this.#taken];
    for (const [callId, text] of await takeAnswersScript.run(redis, keys.base, { organization, id, attempt }, taken)) {
      this.#answered = true;
      this.#settle(callId, JSON.parse(text) as ToolAnswer);
      this.#taken.push(callId);
    }
    this.#taken = this.#taken.filter((callId) => !taken.includes(callId));
  }

  async #expire(callId: string): Promise<void> {
    const { redis, keys, stored, log } = this.#deps;
    const { organization, id } = stored;
    try {
      // Without effect on a call that is being answered now: its answer is taken.
      if (!(await expireCallScript.run(redis, keys.base, { organization, id, callId }))) await this.#takeAnswers();
    } catch (error) {
      log.warn({ execution: id, err: error }, "a tool call could not be withdrawn");
    }
    this.#settle(callId, { outcome: "timeout", json: "" });
  }

  #settle(callId: string, answer: ToolAnswer): void {
    this.#waiting.get(callId)?.(answer);
  }
}
