import type { Request, Response } from "express";
import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { fileIdPattern } from "../../domain/ids.ts";
import type { Files } from "../../files/files.ts";
import type { FileRecord } from "../../files/store.ts";
import { callerOf } from "../core/auth.ts";

/** What a caller may say an upload is for; `assistants_output` is what executions produce. */
export const uploadPurposes = ["user_data", "assistants", "batch", "fine-tune", "vision", "evals"] as const;
export const purposes = [...uploadPurposes, "assistants_output"] as const;

const unixSeconds = z.number().int().describe("Unix time, seconds");

/** The file as a caller sees it: the OpenAI API's file object, and what it lacks. */
export const fileObject = z.object({
  id: z.string(),
  object: z.literal("file"),
  bytes: z.number().int().nonnegative(),
  created_at: unixSeconds,
  expires_at: unixSeconds,
  filename: z.string(),
  purpose: z.enum(purposes),
  status: z.literal("processed"),
  sha256: z.string().length(64),
  mime_type: z.string().describe("from the name; what an upload claims is not believed"),
  execution_id: z.string().nullable().describe("execution that produced it; null for uploads"),
});

export function viewOfFile(record: FileRecord): z.infer<typeof fileObject> {
  return {
    id: record.id,
    object: "file",
    bytes: record.bytes,
    created_at: Math.floor(record.createdAt / 1000),
    expires_at: Math.floor(record.expiresAt / 1000),
    filename: record.name,
    purpose: record.purpose as (typeof purposes)[number],
    status: "processed",
    sha256: record.sha256,
    mime_type: record.mimeType,
    execution_id: record.executionId,
  };
}

/** The `:id` of the path; anything that is no file id names no file. */
export function fileIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !fileIdPattern.test(id)) throw new ServiceError("file_not_found");
  return id;
}

/** The file a path names, of the caller's organization. */
export async function fileOf(files: Files, request: Request, response: Response): Promise<FileRecord> {
  const found = await files.get(callerOf(response).organization, fileIdOf(request));
  if (found === null) throw new ServiceError("file_not_found");
  return found;
}
