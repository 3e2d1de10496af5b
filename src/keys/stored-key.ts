import { createHash } from "node:crypto";
import { z } from "zod";
import { organizationPattern } from "../domain/ids.ts";
import { organizationLimits } from "../domain/organization-limits.ts";

/**
 * API keys: `ci_sk_<id>_<secret>`. The file holds the SHA-256 of the secret. A slow password hash would add nothing: the
 * secret is 256 random bits, which no dictionary or rainbow table covers, and every request pays for the check.
 */
export const scopes = ["execute", "read", "admin"] as const;
export type Scope = (typeof scopes)[number];

export const keyIdPattern = /^key_[0-9a-z]{24}$/;
export const KEY_TEXT = /^ci_sk_([0-9a-z]{24})_([0-9a-f]{64})$/;

const storedKey = z.strictObject({
  id: z.string().regex(keyIdPattern),
  organization: z.string().regex(organizationPattern),
  scopes: z.array(z.enum(scopes)).min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.number().int(),
  name: z.string().optional(),
  /** Unix time, ms. The key is valid before it. */
  expires_at: z.number().int().optional(),
  limits: organizationLimits.optional(),
});
const storedKeys = z.array(storedKey);
export type StoredKey = z.infer<typeof storedKey>;

export function parseKeys(text: string): StoredKey[] {
  return storedKeys.parse(JSON.parse(text));
}

export function hasExpired({ expires_at }: Pick<StoredKey, "expires_at">, now: number): boolean {
  return expires_at !== undefined && now >= expires_at;
}

export function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
