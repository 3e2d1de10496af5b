import { createHmac } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Execution } from "../../domain/result.ts";
import { AddressRefused, assertPublicHost, lookupPublic } from "./address.ts";

/** How one attempt ended; also the label of the metric. `rejected` and `unreachable` are tried again. */
export type DeliveryResult = "delivered" | "gone" | "rejected" | "unreachable" | "refused";

export interface Delivery {
  url: string;
  secret: string;
  webhookId: string;
  execution: Execution;
  allowPrivate: boolean;
  timeoutMs: number;
  /** Unix milliseconds. */
  nowMs: number;
}

/** An answer is not used, but closing on a receiver that still writes looks like a failure to it. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Posts the ended execution once. Never throws, never follows a redirect, and is over after `timeoutMs`. */
export async function deliverWebhook(delivery: Delivery): Promise<DeliveryResult> {
  try {
    const status = await post(delivery);
    if (status >= 200 && status < 300) return "delivered";
    return status === 410 ? "gone" : "rejected";
  } catch (error) {
    return isRefusal(error) ? "refused" : "unreachable";
  }
}

/** Body and headers of a delivery, after the Standard Webhooks scheme. */
export function signedMessage(delivery: Pick<Delivery, "execution" | "webhookId" | "secret" | "nowMs">): {
  body: string;
  headers: Record<string, string>;
} {
  const { execution, webhookId, secret, nowMs } = delivery;
  // The moment of the end, so that every retry has the same body.
  const body = JSON.stringify({ id: webhookId, type: "execution.ended", created_at: execution.completed_at, execution });
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = createHmac("sha256", keyOf(secret)).update(`${webhookId}.${timestamp}.${body}`).digest("base64");
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

/** Libraries of the scheme write secrets as whsec_ and base64; any other text is the key itself. */
function keyOf(secret: string): Buffer {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret, "utf8");
}

async function post(delivery: Delivery): Promise<number> {
  const url = new URL(delivery.url);
  if (!delivery.allowPrivate) assertPublicHost(url);
  const { body, headers } = signedMessage(delivery);
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  const signal = AbortSignal.timeout(delivery.timeoutMs);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
      // No kept connection: each attempt looks the name up and checks what it connects to.
      agent: false,
      signal,
      ...(delivery.allowPrivate ? {} : { lookup: lookupPublic }),
    });
    let status = 0;
    // Once the status has arrived, how the rest of the answer ends changes nothing.
    const settle = (error?: Error) => (status === 0 && error !== undefined ? reject(error) : resolve(status));
    outgoing.on("error", settle);
    outgoing.on("response", (answer) => {
      status = answer.statusCode ?? 0;
      let bytes = 0;
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) answer.destroy();
      });
      answer.on("close", () => settle());
      answer.on("error", settle);
    });
    outgoing.end(body);
  });
}

function isRefusal(error: unknown): boolean {
  if (error instanceof AddressRefused) return true;
  return error instanceof AggregateError && error.errors.some(isRefusal);
}
