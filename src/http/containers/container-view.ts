import type { Request, Response } from "express";
import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { type Session, type SessionFile, sessionStatuses } from "../../domain/session.ts";
import { callerOf } from "../core/auth.ts";
import type { Containers } from "../core/ports.ts";

const unixSeconds = z.number().int().describe("Unix time, seconds");
const WORKING_FOLDER = "/mnt/data";

/** What the API calls a container and we a session: the OpenAI API's object, and what it lacks. */
export const containerObject = z.object({
  id: z.string(),
  object: z.literal("container"),
  created_at: unixSeconds,
  last_active_at: unixSeconds,
  name: z.string(),
  status: z
    .enum(sessionStatuses)
    .describe("`active` takes cells; `expired` was idle for too long; `lost` went with its worker or its code"),
  expires_after: z.object({ anchor: z.literal("last_active_at"), minutes: z.number().int() }),
  memory_limit: z.string().describe("`512m`, `4g`"),
  network_policy: z.object({ type: z.literal("disabled") }),
  restored_from: z.string().nullable().describe("the container whose files it began with"),
  variables_restored: z.literal(false).optional().describe("on the answer to `restore_from`: only files come back"),
});

export const containerFileObject = z.object({
  id: z.string(),
  object: z.literal("container.file"),
  container_id: z.string(),
  created_at: unixSeconds,
  bytes: z.number().int().nonnegative(),
  path: z.string(),
  source: z.enum(["user", "assistant"]).describe("`user`: was put in; `assistant`: code wrote it"),
});

export function viewOfContainer(session: Session): z.infer<typeof containerObject> {
  return {
    id: session.id,
    object: "container",
    created_at: Math.floor(session.createdAt / 1000),
    last_active_at: Math.floor(session.lastActiveAt / 1000),
    name: session.name,
    status: session.status,
    expires_after: { anchor: "last_active_at", minutes: session.expiresAfterMinutes },
    memory_limit: memoryText(session.memoryMb),
    network_policy: { type: "disabled" },
    restored_from: session.restoredFrom,
  };
}

export function viewOfContainerFile(file: SessionFile): z.infer<typeof containerFileObject> {
  return {
    id: file.id,
    object: "container.file",
    container_id: file.sessionId,
    created_at: Math.floor(file.createdAt / 1000),
    bytes: file.bytes,
    path: `${WORKING_FOLDER}/${file.name}`,
    source: file.source,
  };
}

/** The `:id` of the path; anything that is no container id names no container. */
export function containerIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !containerIdPattern.test(id)) throw new ServiceError("container_not_found");
  return id;
}

/** The file a path names, of a container of the caller's organization. */
export async function containerFileOf(containers: Containers, request: Request, response: Response): Promise<SessionFile> {
  const { file_id } = request.params;
  const files = await containers.listFiles(callerOf(response).organization, containerIdOf(request));
  const found = fileIdPattern.test(String(file_id)) ? files.find((file) => file.id === file_id) : undefined;
  if (found === undefined) throw new ServiceError("file_not_found");
  return found;
}

function memoryText(megabytes: number): string {
  return megabytes % 1024 === 0 ? `${megabytes / 1024}g` : `${megabytes}m`;
}
