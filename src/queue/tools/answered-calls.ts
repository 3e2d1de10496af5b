import { createHash } from "node:crypto";
import type { CallAnswer } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import type { PendingCall } from "../../domain/tools.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { callRedis } from "../core/unavailable.ts";
import { type AnswerReply, answerCallsScript } from "./scripts.ts";

/** A call as Redis keeps it while it waits. `order` is its place among the calls of the execution. */
export interface StoredCall extends PendingCall {
  order: number;
}

/** The api's side of the calls that wait for an answer of the caller. */
export async function readPendingCalls(redis: RedisClient, keys: Keys, organization: string, id: string): Promise<PendingCall[]> {
  const stored = (await redis.hvals(keys.calls(organization, id))).map((text) => JSON.parse(text) as StoredCall);
  return stored.sort((one, other) => one.order - other.order).map(({ order: _, ...call }) => call);
}

/**
 * Passes answers on to the worker, all or none. Rejects with `execution_not_found`, and with `tool_call_not_waiting` for a call that
 * does not exist, has another answer, or was answered too late. The same answer may be sent again.
 */
export async function answerCalls(
  redis: RedisClient,
  keys: Keys,
  { organization, id }: { organization: string; id: string },
  answers: readonly CallAnswer[],
): Promise<void> {
  const values = answers.flatMap(({ callId, outcome, json }) => {
    const text = JSON.stringify({ outcome, json });
    return [callId, outcome, createHash("sha256").update(text).digest("hex"), text];
  });
  const reply = await callRedis(() => answerCallsScript.run(redis, keys.base, { organization, id }, values));
  if (reply.kind === "taken") return;
  if (reply.kind === "unknown") throw new ServiceError("execution_not_found");
  const at = "callId" in reply ? answers.findIndex((answer) => answer.callId === reply.callId) : -1;
  throw new ServiceError("tool_call_not_waiting", { detail: detailOf(reply), ...(at < 0 ? {} : { param: `outputs.${at}.call_id` }) });
}

function detailOf(reply: AnswerReply): string {
  switch (reply.kind) {
    case "answered":
      return `The call ${reply.callId} has been answered with another output.`;
    case "late":
      return `The call ${reply.callId} was not answered in time; the code has got an error.`;
    case "no_call":
      return `The execution has no call ${reply.callId}. Another attempt may have replaced it: read the pending calls again.`;
    default:
      return "The execution has ended.";
  }
}
