import type { Request, Response } from "express";
import { z } from "zod";
import type { Containers } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { memoryText } from "../../domain/memory-size.ts";
import { type Session, type SessionFile, sessionStatuses } from "../../domain/session.ts";
import { wholeSeconds, wholeTime } from "../../domain/time.ts";
import { callerOf } from "../core/auth.ts";

const WORKING_FOLDER = "/mnt/data";

/** A session as callers see it: the container object of the OpenAI API with additional fields. */
export const containerObject = z.object({
  id: z.string(),
  object: z.literal("container"),
  created_at: wholeTime,
  last_active_at: wholeTime,
  name: z.string(),
  status: z
    .enum(sessionStatuses)
    .describe("`active`: accepts executions; `expired`: was idle for too long; `lost`: its sandbox or worker ended"),
  expires_after: z.object({ anchor: z.literal("last_active_at"), minutes: z.number().int() }),
  memory_limit: z.string().describe("`512m`, `4g`"),
  network_policy: z.object({ type: z.literal("disabled") }),
  on_killed_cell: z
    .enum(["restore", "end"])
    .describe("what happens when code kills its process: the variables from before it are restored, or the container ends"),
  restored_from: z.string().nullable().describe("the container whose files it was created with"),
  variables_restored: z.literal(false).optional().describe("present with `restore_from`: only files are restored"),
});

export const containerFileObject = z.object({
  id: z.string(),
  object: z.literal("container.file"),
  container_id: z.string(),
  created_at: wholeTime,
  bytes: z.number().int().nonnegative(),
  path: z.string(),
  source: z.enum(["user", "assistant"]).describe("`user`: it was added; `assistant`: code wrote it"),
});

export function viewOfContainer(session: Session): z.infer<typeof containerObject> {
  return {
    id: session.id,
    object: "container",
    created_at: wholeSeconds(session.createdAt),
    last_active_at: wholeSeconds(session.lastActiveAt),
    name: session.name,
    status: session.status,
    expires_after: { anchor: "last_active_at", minutes: session.expiresAfterMinutes },
    memory_limit: memoryText(session.memoryMb),
    network_policy: { type: "disabled" },
    on_killed_cell: session.restoresCells ? "restore" : "end",
    restored_from: session.restoredFrom,
  };
}

export function viewOfContainerFile(file: SessionFile): z.infer<typeof containerFileObject> {
  return {
    id: file.id,
    object: "container.file",
    container_id: file.sessionId,
    created_at: wholeSeconds(file.createdAt),
    bytes: file.bytes,
    path: `${WORKING_FOLDER}/${file.name}`,
    source: file.source,
  };
}

/** The `:id` of the path. Throws `container_not_found` for a malformed id. */
export function containerIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !containerIdPattern.test(id)) throw new ServiceError("container_not_found");
  return id;
}

/** The file of the path, in a container of the caller's organization. */
export async function containerFileOf(containers: Containers, request: Request, response: Response): Promise<SessionFile> {
  const { file_id } = request.params;
  const files = await containers.listFiles(callerOf(response).organization, containerIdOf(request));
  const found = fileIdPattern.test(String(file_id)) ? files.find((file) => file.id === file_id) : undefined;
  if (found === undefined) throw new ServiceError("file_not_found");
  return found;
}
