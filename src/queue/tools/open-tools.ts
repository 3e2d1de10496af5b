import type { Limits } from "../../domain/limits.ts";
import type { ToolPort } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { EventWriter } from "../executions/event-writer.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import { CallbackTools } from "./callback-tools.ts";
import { CallerTools } from "./caller-tools.ts";
import { markCalledScript } from "./scripts.ts";

export interface ToolContext {
  redis: RedisClient;
  keys: Keys;
  limits: Limits;
  log: Log;
  /** Learns of answers to tool calls. */
  answers: AnswerWatch;
  /** Allows `tools_url` on private and loopback addresses. */
  callbackAllowPrivate: boolean;
  /**
   * Called when the code of an execution only waits for answers. The returned function is called, and awaited, before it gets one.
   */
  pause?: (id: string) => () => Promise<void>;
}

/** Opens the way on which the calls of an execution reach its caller. `close` settles calls that still wait. */
export function openTools(context: ToolContext, stored: StoredExecution, writer: EventWriter): ToolPort & { close(): void } {
  const { redis, keys, limits, log, answers, callbackAllowPrivate } = context;
  const { organization, id, attempt, request } = stored;
  const tools =
    request.tools_url === undefined
      ? new CallerTools({ redis, keys, log, stored, watch: answers, flush: () => writer.flush() })
      : new CallbackTools({
          executionId: id,
          url: request.tools_url,
          secret: request.tools_secret ?? "",
          allowPrivate: callbackAllowPrivate,
          limits,
          markCalled: () => markCalledScript.run(redis, keys.base, { organization, id, attempt }),
        });
  return {
    call: (call, signal) => tools.call(call, signal),
    mayHaveEffects: () => tools.mayHaveEffects(),
    pause: () => context.pause?.(id) ?? (() => Promise.resolve()),
    close: () => tools.close(),
  };
}
