import { z } from "zod";
import { dayUsage, totalUsage } from "../../domain/usage.ts";
import { publicKey } from "../../receipts/signing-keys.ts";
import { errorResponses, jsonResponse, type PathContext } from "../core/openapi-parts.ts";
import { usageQuery } from "./get-usage.ts";

/** Usage and receipts. */
export function addWatchPaths({ registry, limits, security, executionId }: PathContext): void {
  registry.registerPath({
    method: "get",
    path: "/v1/usage",
    tags: ["usage"],
    security,
    summary: "What the organization used, by UTC day",
    description:
      `Executions that ended, each counted once, with cpu and bytes; at most ${limits.usageRangeDaysMax} days at a time, ` +
      `kept for ${limits.usageKeptDaysMax} days. Every day of the range is there.`,
    request: { query: z.object(usageQuery) },
    responses: {
      200: jsonResponse(
        "The days, oldest first, and their sum.",
        z
          .object({
            object: z.literal("usage"),
            organization: z.string(),
            from: z.iso.date(),
            to: z.iso.date(),
            data: z.array(dayUsage.strict()),
            total: totalUsage.strict(),
          })
          .strict(),
      ),
      ...errorResponses(["invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions/{id}/receipt",
    tags: ["executions"],
    security,
    summary: "Get the signed receipt of an execution",
    description:
      "A JWS in compact form, signed with Ed25519: image digest, limits, hashes of runner, system-call list, code and files, usage, times, status. " +
      "Verified without the service by `npx code-interpreter verify`, with the keys of `/v1/receipt-keys`.",
    request: executionId,
    responses: {
      200: { description: "The receipt.", content: { "application/jose": { schema: z.string() } } },
      ...errorResponses(["execution_not_found", "execution_running"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/receipt-keys",
    tags: ["operations"],
    summary: "Public keys of receipts",
    description: "A JWK set; the first key signs now, the others have signed before.",
    responses: { 200: jsonResponse("The keys.", z.object({ keys: z.array(publicKey) }).strict()) },
  });
}
