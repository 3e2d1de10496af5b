import type { ToolAnswer } from "../../domain/tools.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import { takeAnswersScript } from "./scripts.ts";

export interface AwaitedAnswersDeps {
  redis: RedisClient;
  keys: Keys;
  stored: Pick<StoredExecution, "organization" | "id" | "attempt">;
  watch: AnswerWatch;
}

interface Waiting {
  onAbort(): void;
  /** The answer came through Redis. */
  onAnswered?(): void;
}

/** The calls of one execution whose answers come through Redis. */
export class AwaitedAnswers {
  readonly #deps: AwaitedAnswersDeps;
  readonly #waiting = new Map<string, { settle: (answer: ToolAnswer) => void; onAnswered?: (() => void) | undefined }>();
  /** Answers that have arrived here. Redis may forget them. */
  #taken: string[] = [];

  constructor(deps: AwaitedAnswersDeps) {
    this.#deps = deps;
    deps.watch.add(deps.stored.id, () => this.take());
  }

  /** Resolves with the answer. `onAbort` is called when `signal` aborts first, and has to settle the call. */
  wait(callId: string, signal: AbortSignal, { onAbort, onAnswered }: Waiting): Promise<ToolAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: ToolAnswer) => {
        signal.removeEventListener("abort", onAbort);
        resolve(answer);
      };
      this.#waiting.set(callId, { settle, onAnswered });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  settle(callId: string, answer: ToolAnswer): void {
    const waiting = this.#waiting.get(callId);
    this.#waiting.delete(callId);
    waiting?.settle(answer);
  }

  /** Takes the answers that have arrived. */
  async take(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const { redis, keys, stored } = this.#deps;
    const { organization, id, attempt } = stored;
    const taken = [...this.#taken];
    for (const [callId, text] of await takeAnswersScript.run(redis, keys.base, { organization, id, attempt }, taken)) {
      this.#waiting.get(callId)?.onAnswered?.();
      this.settle(callId, JSON.parse(text) as ToolAnswer);
      this.#taken.push(callId);
    }
    this.#taken = this.#taken.filter((callId) => !taken.includes(callId));
  }

  close(): void {
    this.#deps.watch.remove(this.#deps.stored.id);
    for (const callId of [...this.#waiting.keys()]) this.settle(callId, { outcome: "timeout", json: "" });
  }
}
