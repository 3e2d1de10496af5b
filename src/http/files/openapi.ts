import { z } from "zod";
import { fileIdPattern } from "../../domain/ids.ts";
import { pageQuery } from "../core/paging.ts";
import { fileBytes, fileExample } from "../executions/openapi-examples.ts";
import { jsonResponse, listOf, openaiErrorResponses, type PathContext } from "../openapi/parts.ts";
import { fileObject, purposes, uploadPurposes } from "./file-view.ts";
import { expirySeconds } from "./upload.ts";

const tags = ["files"];
const binary = { type: "string", format: "binary" } as const;

export function addFilePaths({ registry, limits, security, fileId }: PathContext): void {
  const shown = registry.register("File", fileObject.strict());

  registry.registerPath({
    method: "post",
    path: "/v1/files",
    tags,
    security,
    summary: "Upload a file",
    description: `At most ${limits.fileUploadBytesMax} bytes. Kept for ${limits.retentionMsMax / 3_600_000} hours.`,
    request: {
      body: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: {
              type: "object",
              required: ["file"],
              additionalProperties: false,
              properties: {
                file: binary,
                purpose: { type: "string", enum: [...uploadPurposes], default: uploadPurposes[0] },
                expires_after: {
                  type: "object",
                  description: "Sent as the fields `expires_after[anchor]` and `expires_after[seconds]`. It cannot exceed the retention.",
                  required: ["anchor", "seconds"],
                  additionalProperties: false,
                  properties: {
                    anchor: { type: "string", enum: ["created_at"] },
                    seconds: { type: "integer", minimum: expirySeconds.min, maximum: expirySeconds.max },
                  },
                },
              },
            },
            example: { file: fileBytes, purpose: uploadPurposes[0] },
          },
        },
      },
    },
    responses: {
      200: jsonResponse("The file.", shown, fileExample),
      ...openaiErrorResponses([
        "file_too_large",
        "organization_storage_full",
        "unsupported_media_type",
        "invalid_field",
        "unknown_field",
        "storage_unavailable",
        "shutting_down",
      ]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/files",
    tags,
    security,
    summary: "List files",
    request: { query: z.object({ ...pageQuery(limits, fileIdPattern), purpose: z.enum(purposes).optional() }) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...openaiErrorResponses(["file_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/files/{id}",
    tags,
    security,
    summary: "Get a file's record",
    request: fileId,
    responses: { 200: jsonResponse("The file.", shown, fileExample), ...openaiErrorResponses(["file_not_found"]) },
  });

  const content = { "*/*": { schema: binary, example: fileBytes } };
  registry.registerPath({
    method: "get",
    path: "/v1/files/{id}/content",
    tags,
    security,
    summary: "Get a file's bytes",
    description: "Always an attachment. `ETag` is the quoted SHA-256. A single `Range` is supported.",
    request: {
      ...fileId,
      headers: z.object({ Range: z.string().optional(), "If-None-Match": z.string().optional(), "If-Range": z.string().optional() }),
    },
    responses: {
      200: { description: "All bytes.", content },
      206: { description: "The bytes of the range.", content },
      302: { description: "A short-lived link to the store, when `S3_LINK_SECONDS` is set. Follow it without the API key." },
      304: { description: "The copy in `If-None-Match` is current." },
      ...openaiErrorResponses(["file_not_found", "range_not_satisfiable", "storage_unavailable"]),
    },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/files/{id}",
    tags,
    security,
    summary: "Delete a file",
    request: fileId,
    responses: {
      200: jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal("file"), deleted: z.literal(true) }).strict()),
      ...openaiErrorResponses(["file_not_found", "storage_unavailable"]),
    },
  });
}
