import { z } from "zod";
import { keyIdPattern } from "../../keys/stored-key.ts";
import { errorResponses, jsonResponse, type PathContext } from "../openapi/parts.ts";
import { adminKey, expireBody, rotateBody } from "./admin-keys.ts";

const tags = ["operations"];
const changeErrors = [
  "key_not_found",
  "keys_not_writable",
  "malformed_json",
  "body_too_large",
  "unsupported_media_type",
  "invalid_field",
  "unknown_field",
] as const;

/** Paths of API keys, for operators. */
export function addKeyPaths({ registry, security }: Pick<PathContext, "registry" | "security">): void {
  const params = z.object({ id: z.string().regex(keyIdPattern).describe("id of a key, as in `GET /v1/admin/keys`") });
  const body = (schema: z.ZodType, example: object) => ({ required: true, content: { "application/json": { schema, example } } });
  registry.registerPath({
    method: "get",
    path: "/v1/admin/keys",
    tags,
    security,
    summary: "List the API keys of all organizations",
    description: "For operators: a key with the scope `admin`. Without their secrets, with expiry, last use and limits.",
    responses: {
      200: jsonResponse("The keys.", z.object({ object: z.literal("list"), data: z.array(adminKey.strict()) }).strict()),
      ...errorResponses(["unknown_field"]),
    },
  });
  registry.registerPath({
    method: "post",
    path: "/v1/admin/keys/{id}/rotate",
    tags,
    security,
    summary: "Replace an API key by a new one",
    description:
      "The new key has the organization, scopes, name, lifetime and limits of the old one, which stays valid for `overlap_seconds`. " +
      "The text of the new key is in this answer only.",
    request: { params, body: body(rotateBody, { overlap_seconds: 3_600 }) },
    responses: {
      200: jsonResponse("The new key.", adminKey.extend({ key: z.string().describe("shown once") }).strict()),
      ...errorResponses(changeErrors),
    },
  });
  registry.registerPath({
    method: "post",
    path: "/v1/admin/keys/{id}/expire",
    tags,
    security,
    summary: "Set the end of an API key",
    description: "From `expires_at` on, requests with it are refused. A later time extends a key.",
    request: { params, body: body(expireBody, { expires_at: 1_770_000_000 }) },
    responses: {
      200: jsonResponse("The key.", adminKey.strict()),
      ...errorResponses(changeErrors),
    },
  });
}
