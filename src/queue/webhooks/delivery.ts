import { createHmac } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { buffer } from "node:stream/consumers";
import { executionPieces, partsOf, withMember } from "../../domain/execution-text.ts";
import type { ReadExecution } from "../../domain/result.ts";
import { AddressRefused, assertPublicHost, lookupPublic } from "./address.ts";

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

/** Posts the ended execution once. Never throws, never follows redirects, and ends after `timeoutMs`. */
export async function deliverWebhook(delivery: Delivery): Promise<DeliveryResult> {
  try {
    const status = await post(delivery);
    if (status >= 200 && status < 300) return "delivered";
    return status === 410 ? "gone" : "rejected";
  } catch (error) {
    return isRefusal(error) ? "refused" : "unreachable";
  }
}

/** Body and headers of a delivery, as defined by Standard Webhooks. */
export async function signedMessage(delivery: Pick<Delivery, "execution" | "webhookId" | "secret" | "nowMs">): Promise<{
  body: Buffer;
  headers: Record<string, string>;
}> {
  const { execution, webhookId, secret, nowMs } = delivery;
  // The time of the end, so that every retry has the same body.
  const message = { id: webhookId, type: "execution.ended", created_at: execution.completed_at };
  const body = await buffer(partsOf([withMember(message, "execution"), ...executionPieces(execution), "}"]));
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = createHmac("sha256", keyOf(secret)).update(`${webhookId}.${timestamp}.`).update(body).digest("base64");
  return {
    body,
    headers: {
      "content-type": "application/json",
      "user-agent": "code-interpreter-webhook/1",
      "webhook-id": webhookId,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature}`,
    },
  };
}

/** Standard Webhooks libraries encode secrets as `whsec_` and base64. Any other text is the key itself. */
function keyOf(secret: string): Buffer {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret, "utf8");
}

async function post(delivery: Delivery): Promise<number> {
  const url = new URL(delivery.url);
  if (!delivery.allowPrivate) assertPublicHost(url);
  const { body, headers } = await signedMessage(delivery);
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  const signal = AbortSignal.timeout(delivery.timeoutMs);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: "POST",
      headers: { ...headers, "content-length": body.length },
      // No keep-alive: each attempt resolves the name and checks the address again.
      agent: false,
      signal,
      ...(delivery.allowPrivate ? {} : { lookup: lookupPublic }),
    });
    let status = 0;
    // After the status has arrived, an error in the rest of the response is ignored.
    const settle = (error?: Error) => (status === 0 && error !== undefined ? reject(error) : resolve(status));
    outgoing.on("error", settle);
    outgoing.on("response", (response) => {
      status = response.statusCode ?? 0;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > RESPONSE_BYTES_MAX) response.destroy();
      });
      response.on("close", () => settle());
      response.on("error", settle);
    });
    outgoing.end(body);
  });
}

function isRefusal(error: unknown): boolean {
  if (error instanceof AddressRefused) return true;
  return error instanceof AggregateError && error.errors.some(isRefusal);
}
