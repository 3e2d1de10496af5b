import { buffer } from "node:stream/consumers";
import { executionPieces, partsOf, withMember } from "../../domain/execution-text.ts";
import type { ReadExecution } from "../../domain/result.ts";
import { isRefused, postSigned, signedHeaders } from "./signed-post.ts";

/** How one attempt ended; also the label of the metric. `rejected` and `unreachable` are retried. */
export type DeliveryResult = "delivered" | "gone" | "rejected" | "unreachable" | "refused";

export interface Delivery {
  url: string;
  secret: string;
  webhookId: string;
  execution: ReadExecution;
  allowPrivate: boolean;
  timeoutMs: number;
  /** Unix milliseconds. */
  nowMs: number;
}

/** The response body is ignored but read up to this, because an early close looks like a failure to the receiver. */
const RESPONSE_BYTES_MAX = 64 * 1024;
const USER_AGENT = "code-interpreter-webhook/1";

/** Posts the ended execution once. Never throws, never follows redirects, and ends after `timeoutMs`. */
export async function deliverWebhook(delivery: Delivery): Promise<DeliveryResult> {
  const { url, secret, webhookId: id, allowPrivate, nowMs } = delivery;
  const signal = AbortSignal.timeout(delivery.timeoutMs);
  const message = { url, secret, id, allowPrivate, nowMs, signal, userAgent: USER_AGENT, responseBytesMax: RESPONSE_BYTES_MAX };
  try {
    const { status } = await postSigned({ ...message, body: await bodyOf(delivery) });
    if (status >= 200 && status < 300) return "delivered";
    return status === 410 ? "gone" : "rejected";
  } catch (error) {
    return isRefused(error) ? "refused" : "unreachable";
  }
}

/** Body and headers of a delivery. */
export async function signedMessage(delivery: Pick<Delivery, "execution" | "webhookId" | "secret" | "nowMs">): Promise<{
  body: Buffer;
  headers: Record<string, string>;
}> {
  const body = await bodyOf(delivery);
  const { webhookId: id, secret, nowMs } = delivery;
  return { body, headers: signedHeaders({ id, body, secret, nowMs, userAgent: USER_AGENT }) };
}

/** It has the time of the end, so that every retry has the same body. */
function bodyOf({ webhookId, execution }: Pick<Delivery, "execution" | "webhookId">): Promise<Buffer> {
  const message = { id: webhookId, type: "execution.ended", created_at: execution.completed_at };
  return buffer(partsOf([withMember(message, "execution"), ...executionPieces(execution), "}"]));
}
