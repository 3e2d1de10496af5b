import { z } from "zod";
import { sandboxPackages } from "../../domain/packages.ts";
import { dayUsage, organizationUsage, totalUsage, usageMeasures } from "../../domain/usage.ts";
import { publicKey } from "../../receipts/signing-keys.ts";
import { errorResponses, jsonResponse, type PathContext } from "../openapi/parts.ts";
import { topUsageQuery } from "./get-top-usage.ts";
import { usageQuery } from "./get-usage.ts";
import { addKeyPaths } from "./openapi-keys.ts";

/** Header, content and signature; the content is shortened. */
const receiptExample = [
  "eyJhbGciOiJFZERTQSIsImtpZCI6IjIwMjYtMDEiLCJ0eXAiOiJjb2RlLWludGVycHJldGVyLXJlY2VpcHQrandzIn0",
  "eyJ2IjoyLCJleGVjdXRpb24iOiJjaV80eDlwMm03azBxOHI1dDF2NnczeTJ6OGEiLCJzdGF0dXMiOiJjb21wbGV0ZWQifQ",
  "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw",
].join(".");

/** Paths of usage, packages and receipts. */
export function addWatchPaths({ registry, limits, security, executionId }: PathContext): void {
  registry.registerPath({
    method: "get",
    path: "/v1/usage",
    tags: ["usage"],
    security,
    summary: "Get the daily usage of the organization",
    description:
      `Ended executions, each counted once, with CPU time and bytes, by UTC day. At most ${limits.usageRangeDaysMax} days per request; ` +
      `usage is kept for ${limits.usageKeptDaysMax} days. The result contains every day of the range.`,
    request: { query: z.object(usageQuery) },
    responses: {
      200: jsonResponse(
        "The days, oldest first, and their total.",
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
    path: "/v1/admin/usage",
    tags: ["operations"],
    security,
    summary: "Get the organizations with the largest usage",
    description: "For operators: a key with the scope `admin`. Counts of one UTC day, the largest first; kept for 31 days.",
    request: { query: z.object(topUsageQuery) },
    responses: {
      200: jsonResponse(
        "The organizations.",
        z
          .object({
            object: z.literal("admin.usage"),
            date: z.iso.date(),
            by: z.enum(usageMeasures),
            data: z.array(organizationUsage.strict()),
          })
          .strict(),
      ),
      ...errorResponses(["invalid_field", "unknown_field"]),
    },
  });

  addKeyPaths({ registry, security });

  registry.registerPath({
    method: "get",
    path: "/v1/packages",
    tags: ["operations"],
    security,
    summary: "List the packages that code can import",
    description:
      "Python's version and every installed distribution with its version and the names to import, as a worker read them in one of " +
      "its sandboxes at its start. Nothing else can be installed: there is no network.",
    responses: {
      200: jsonResponse("The packages, by name.", sandboxPackages.extend({ object: z.literal("packages") }).strict()),
      ...errorResponses(["packages_unknown"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/executions/{id}/receipt",
    tags: ["executions"],
    security,
    summary: "Get the signed receipt of an execution",
    description:
      "A compact JWS signed with Ed25519. It contains the image digest, limits, hashes of the runner, seccomp profile, code and files, " +
      "usage, times and status. Verify it offline with `bin/code-interpreter.mjs verify` and the keys of `/v1/receipt-keys`.",
    request: executionId,
    responses: {
      200: {
        description: "The receipt.",
        content: { "application/jose": { schema: z.string().describe("a JWS in compact form"), example: receiptExample } },
      },
      ...errorResponses(["execution_not_found", "execution_running"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/receipt-keys",
    tags: ["operations"],
    summary: "Get the public keys of receipts",
    description: "A JWK set. The first key is the current one; the others are earlier keys.",
    responses: { 200: jsonResponse("The keys.", z.object({ keys: z.array(publicKey) }).strict()) },
  });
}
