import { z } from "zod";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { viewOfContainer } from "./container-view.ts";

/** The body of POST /containers. What is beyond the operator's limits is refused where those are applied. */
export function containerRequestSchema(limits: Limits) {
  return z.strictObject({
    name: z.string().max(limits.sessionNameCharsMax).optional(),
    file_ids: z
      .array(z.string().regex(fileIdPattern, "must be a file id"))
      .max(limits.sessionFilesCountMax)
      .optional()
      .describe("stored files placed in the working folder under their own names"),
    expires_after: z
      .strictObject({ anchor: z.literal("last_active_at"), minutes: z.int().min(1).max(limits.sessionIdleMinutesMax) })
      .optional()
      .describe(`idle time after which it expires; ${limits.sessionIdleMinutesDefault} minutes by default`),
    memory_limit: z
      .string()
      .regex(/^[1-9][0-9]{0,5}[mg]$/, "must be a number of `m` or `g`")
      .optional()
      .describe(`at most ${limits.sessionMemoryMbMax}m; ${limits.memoryMbMax}m by default`),
    network_policy: z
      .strictObject({ type: z.literal("disabled") })
      .optional()
      .describe("there is no network"),
    restore_from: z
      .string()
      .regex(containerIdPattern, "must be a container id")
      .optional()
      .describe("an expired or lost container whose files it begins with; variables are gone"),
  });
}

/** POST /v1/containers: a session; answers once it takes cells. */
export function containersPost(deps: AppDeps): Route {
  const schema = containerRequestSchema(deps.limits);
  return {
    method: "post",
    path: "/v1/containers",
    scope: "execute",
    handlers: [
      refuseWhenStopping(deps.stopping),
      ...jsonBody(deps.limits),
      async (request, response) => {
        const wanted = checked(schema, request.body);
        const made = await deps.containers.create(callerOf(response).organization, {
          name: wanted.name,
          fileIds: wanted.file_ids,
          memoryMb: wanted.memory_limit === undefined ? undefined : megabytes(wanted.memory_limit),
          expiresAfterMinutes: wanted.expires_after?.minutes,
          restoreFrom: wanted.restore_from,
        });
        response.setHeader("Location", `/v1/containers/${made.id}`);
        response.json({ ...viewOfContainer(made), ...(wanted.restore_from === undefined ? {} : { variables_restored: false }) });
      },
    ],
  };
}

function megabytes(text: string): number {
  return Number(text.slice(0, -1)) * (text.endsWith("g") ? 1024 : 1);
}
