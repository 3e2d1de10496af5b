import type { Limits } from "../../domain/limits.ts";
import type { ToolPort } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import type { EventWriter } from "../executions/event-writer.ts";
import type { StoredExecution } from "../executions/record.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import { AwaitedAnswers } from "./awaited-answers.ts";
import { CallbackTools } from "./callback-tools.ts";
import { CallerTools } from "./caller-tools.ts";
import { markCalledScript } from "./scripts.ts";
import { ServerTools } from "./server-tools.ts";

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

/** Opens the ways on which the calls of an execution reach its caller and MCP servers. `close` settles calls that still wait. */
export function openTools(context: ToolContext, stored: StoredExecution, writer: EventWriter): ToolPort & { close(): void } {
  const { redis, keys, limits, log, answers: watch, callbackAllowPrivate } = context;
  const { organization, id, attempt, request, servers } = stored;
  const answers = new AwaitedAnswers({ redis, keys, stored, watch });
  const ofServers = new ServerTools({ redis, keys, log, stored, servers, answers });
  const callback =
    request.tools_url === undefined
      ? null
      : new CallbackTools({
          executionId: id,
          url: request.tools_url,
          secret: request.tools_secret ?? "",
          allowPrivate: callbackAllowPrivate,
          limits,
          markCalled: () => markCalledScript.run(redis, keys.base, { organization, id, attempt }),
        });
  const ofCaller = callback ?? new CallerTools({ redis, keys, log, stored, answers, flush: () => writer.flush() });
  return {
    call: (call, signal) => (ofServers.has(call.name) ? ofServers : ofCaller).call(call, signal),
    mayHaveEffects: () => ofServers.mayHaveEffects() || ofCaller.mayHaveEffects(),
    pause: () => context.pause?.(id) ?? (() => Promise.resolve()),
    close: () => {
      answers.close();
      callback?.close();
    },
  };
}
