import type { Request, Response } from "express";
import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { fileIdPattern } from "../../domain/ids.ts";
import { wholeSeconds, wholeTime } from "../../domain/time.ts";
import type { Files } from "../../files/files.ts";
import type { FileRecord } from "../../files/store.ts";
import { callerOf } from "../core/auth.ts";

/** Purposes that uploads may have. Files that executions produce have `assistants_output`. */
export const uploadPurposes = ["user_data", "assistants", "batch", "fine-tune", "vision", "evals"] as const;
export const purposes = [...uploadPurposes, "assistants_output"] as const;

/** The file as callers see it: the file object of the OpenAI API with additional fields. */
export const fileObject = z.object({
  id: z.string(),
  object: z.literal("file"),
  bytes: z.number().int().nonnegative(),
  created_at: wholeTime,
  expires_at: wholeTime,
  filename: z.string(),
  purpose: z.enum(purposes),
  status: z.literal("processed"),
  sha256: z.string().length(64),
  mime_type: z.string().describe("derived from the name; the content type of the upload is ignored"),
  execution_id: z.string().nullable().describe("execution that produced it; null for uploads"),
});

export function viewOfFile(record: FileRecord): z.infer<typeof fileObject> {
  return {
    id: record.id,
    object: "file",
    bytes: record.bytes,
    created_at: wholeSeconds(record.createdAt),
    expires_at: wholeSeconds(record.expiresAt),
    filename: record.name,
    purpose: record.purpose as (typeof purposes)[number],
    status: "processed",
    sha256: record.sha256,
    mime_type: record.mimeType,
    execution_id: record.executionId,
  };
}

/** The `:id` of the path. Throws `file_not_found` for a malformed id. */
export function fileIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !fileIdPattern.test(id)) throw new ServiceError("file_not_found");
  return id;
}

/** The file of the path, within the caller's organization. */
export async function fileOf(files: Files, request: Request, response: Response): Promise<FileRecord> {
  const found = await files.get(callerOf(response).organization, fileIdOf(request));
  if (found === null) throw new ServiceError("file_not_found");
  return found;
}
