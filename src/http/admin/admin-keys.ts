import type { Request, Response } from "express";
import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { organizationLimits } from "../../domain/organization-limits.ts";
import { keyIdPattern, scopes } from "../../keys/stored-key.ts";
import { audit } from "../../observe/audit.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { checked, jsonBody } from "../core/validate.ts";

const OVERLAP_SECONDS_DEFAULT = 24 * 60 * 60;
const OVERLAP_SECONDS_MAX = 30 * 24 * 60 * 60;
const seconds = z.int().nonnegative().describe("Unix time, seconds");

export const adminKey = z.object({
  object: z.literal("admin.key"),
  id: z.string(),
  organization: z.string(),
  scopes: z.array(z.enum(scopes)),
  name: z.string().nullable(),
  created_at: seconds,
  expires_at: seconds.nullable(),
  last_used_at: seconds.nullable().describe("Unix time, seconds; null when it was not used, and some seconds old"),
  limits: organizationLimits.strict().describe("of its organization; what is absent follows the service"),
});
export const rotateBody = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(OVERLAP_SECONDS_MAX)
    .default(OVERLAP_SECONDS_DEFAULT)
    .describe("time in which the old key stays valid"),
});
export const expireBody = z.strictObject({
  expires_at: seconds.optional().describe("Unix time, seconds, from which the key is refused; default: now"),
});

/** GET /v1/admin/keys, POST /v1/admin/keys/{id}/rotate and /expire: for operators, with the scope `admin`. */
export function adminKeyRoutes(deps: AppDeps): Route[] {
  const { adminKeys } = deps;
  const admin = { scope: "admin" } as const;
  return [
    {
      ...admin,
      method: "get",
      path: "/v1/admin/keys",
      handlers: [async (_request, response) => void response.json({ object: "list", data: (await adminKeys.list()).map(viewOf) })],
    },
    {
      ...admin,
      method: "post",
      path: "/v1/admin/keys/:id/rotate",
      handlers: [
        ...jsonBody(deps.limits),
        async (request, response) => {
          const { overlap_seconds } = checked(rotateBody, request.body);
          const id = idOf(request);
          const made = await adminKeys.rotate(id, overlap_seconds * 1000);
          if (made === null) throw unknown(id);
          noteAudit(deps, response, "key.rotated", id);
          response.json({ ...viewOf(made.key), key: made.text });
        },
      ],
    },
    {
      ...admin,
      method: "post",
      path: "/v1/admin/keys/:id/expire",
      handlers: [
        ...jsonBody(deps.limits),
        async (request, response) => {
          const { expires_at } = checked(expireBody, request.body);
          const id = idOf(request);
          const key = await adminKeys.expire(id, expires_at === undefined ? Date.now() : expires_at * 1000);
          if (key === null) throw unknown(id);
          noteAudit(deps, response, "key.expired", id);
          response.json(viewOf(key));
        },
      ],
    },
  ];
}

function idOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !keyIdPattern.test(id)) throw unknown("of this form");
  return id;
}

function unknown(id: string): ServiceError {
  return new ServiceError("key_not_found", { detail: `There is no valid key ${id}.` });
}

function noteAudit({ log }: AppDeps, response: Response, action: "key.rotated" | "key.expired", target: string): void {
  const { keyId, organization } = callerOf(response);
  audit(log, { action, outcome: "done", actor: { key: keyId, organization }, target });
}

type Shown = Awaited<ReturnType<AppDeps["adminKeys"]["list"]>>[number];

function viewOf({ id, organization, scopes, name, created_at, expires_at, lastUsedAt, limits }: Shown): z.infer<typeof adminKey> {
  const whole = (ms: number | null | undefined) => (ms == null ? null : Math.floor(ms / 1000));
  return {
    object: "admin.key",
    id,
    organization,
    scopes,
    name: name ?? null,
    created_at: Math.floor(created_at / 1000),
    expires_at: whole(expires_at),
    last_used_at: whole(lastUsedAt),
    limits: limits ?? {},
  };
}
