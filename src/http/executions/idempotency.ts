import { createHash } from "node:crypto";
import type { Request } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { Idempotency } from "../core/ports.ts";

const KEY = /^[\x20-\x7e]{1,255}$/;

/** Reads the Idempotency-Key header; null without one. The body must have been validated, which bounds its depth. */
export function idempotencyOf(request: Request, body: unknown): Idempotency | null {
  const sent = request.headersDistinct["idempotency-key"];
  if (sent === undefined) return null;
  const key = sent[0];
  if (sent.length > 1 || key === undefined || !KEY.test(key)) {
    throw new ServiceError("malformed_request", { detail: "Send one Idempotency-Key of 1 to 255 printable ASCII characters." });
  }
  return { key, bodySha256: createHash("sha256").update(canonicalJson(body)).digest("hex") };
}

/** JSON with sorted members, so that two ways to write one body are one body. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    const sorted = Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted);
  });
}
