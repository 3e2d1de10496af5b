import { createHmac } from "node:crypto";
import { type Agent, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { AddressRefused, assertPublicHost, lookupPublic } from "./address.ts";

export interface SignedPost {
  url: string;
  secret: string;
  /** Names the message; a receiver takes each only once. */
  id: string;
  body: string | Uint8Array;
  userAgent: string;
  allowPrivate: boolean;
  signal: AbortSignal;
  /** Unix milliseconds. */
  nowMs: number;
  /** Keeps connections. Without it each message has its own, and its name is resolved again. */
  agent?: Agent;
  responseBytesMax: number;
}

export interface Received {
  status: number;
  /** Null when it was longer than `responseBytesMax`, or broke off. */
  body: Buffer | null;
}

/** The headers of a message that is signed as Standard Webhooks define it. */
export function signedHeaders({
  id,
  body,
  secret,
  userAgent,
  nowMs,
}: Omit<SignedPost, "url" | "allowPrivate" | "signal" | "responseBytesMax">) {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest("base64");
  return {
    "content-type": "application/json",
    "user-agent": userAgent,
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}

/** Posts one message to a caller's server. Never follows redirects. Rejects when no response has begun. */
export async function postSigned(message: SignedPost): Promise<Received> {
  const url = new URL(message.url);
  if (!message.allowPrivate) assertPublicHost(url);
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: "POST",
      headers: { ...signedHeaders(message), "content-length": Buffer.byteLength(message.body) },
      agent: message.agent ?? false,
      signal: message.signal,
      ...(message.allowPrivate ? {} : { lookup: lookupPublic }),
    });
    let begun = false;
    // Without effect once a response has begun: its own end settles.
    outgoing.on("error", (error) => !begun && reject(error));
    outgoing.on("response", (response) => {
      begun = true;
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > message.responseBytesMax) response.destroy();
        else chunks.push(chunk);
      });
      // After the status has arrived, an error in the rest of the response is no error of the message.
      const settle = () => resolve({ status, body: response.complete ? Buffer.concat(chunks) : null });
      response.on("close", settle);
      response.on("error", settle);
    });
    outgoing.end(message.body);
  });
}

/** Whether the address rules refused the target. */
export function isRefused(error: unknown): boolean {
  if (error instanceof AddressRefused) return true;
  return error instanceof AggregateError && error.errors.some(isRefused);
}

/** Standard Webhooks libraries encode secrets as `whsec_` and base64. Any other text is the key itself. */
function keyOf(secret: string): Buffer {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret, "utf8");
}
