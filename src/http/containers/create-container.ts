import { z } from "zod";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { memoryMbOf, memorySizePattern } from "../../domain/memory-size.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { stepAside } from "../core/turns.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { viewOfContainer } from "./container-view.ts";

/** The body of POST /containers. Sizes above the operator's limits are lowered to them: clients ask for what OpenAI's sandboxes have. */
export function containerRequestSchema(limits: Limits) {
  return z.strictObject({
    name: z.string().max(limits.sessionNameCharsMax).optional(),
    file_ids: z
      .array(z.string().regex(fileIdPattern, "must be a file id"))
      .max(limits.sessionFilesCountMax)
      .optional()
      .describe("stored files to place in the working folder under their own names"),
    expires_after: z
      .strictObject({ anchor: z.literal("last_active_at"), minutes: z.int().min(1) })
      .optional()
      .describe(
        `idle time after which it expires; default: ${limits.sessionIdleMinutesDefault} minutes; more than ${limits.sessionIdleMinutesMax} become ${limits.sessionIdleMinutesMax}`,
      ),
    memory_limit: z
      .string()
      .regex(memorySizePattern, "must be a number with the unit `m` or `g`")
      .optional()
      .describe(`default: ${limits.memoryMbMax}m; more than ${limits.sessionMemoryMbMax}m becomes that, as the answer shows`),
    network_policy: z
      .strictObject({ type: z.literal("disabled") })
      .optional()
      .describe("containers have no network"),
    on_killed_cell: z
      .enum(["restore", "end"])
      .optional()
      .describe(
        "when code kills its process or has to be killed: `restore` (default) goes on with the variables from before that code, `end` ends the container",
      ),
    restore_from: z
      .string()
      .regex(containerIdPattern, "must be a container id")
      .optional()
      .describe("an expired or lost container whose files are restored, without its variables"),
  });
}

/** POST /v1/containers: creates a session and responds once it accepts cells. */
export function createContainer(deps: AppDeps): Route {
  const { limits } = deps;
  const schema = containerRequestSchema(limits);
  return {
    method: "post",
    path: "/v1/containers",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      refuseWhenStopping(deps.stopping),
      ...jsonBody(deps.limits),
      async (request, response) => {
        const wanted = checked(schema, request.body);
        stepAside(response);
        const { organization } = callerOf(response);
        const { sessionMemoryMbMax } = deps.limitsOf(organization);
        const made = await deps.containers.create(organization, {
          name: wanted.name,
          fileIds: wanted.file_ids,
          memoryMb: wanted.memory_limit === undefined ? undefined : Math.min(memoryMbOf(wanted.memory_limit), sessionMemoryMbMax),
          expiresAfterMinutes:
            wanted.expires_after === undefined ? undefined : Math.min(wanted.expires_after.minutes, limits.sessionIdleMinutesMax),
          restoreFrom: wanted.restore_from,
          restoresCells: wanted.on_killed_cell !== "end",
        });
        response.setHeader("Location", `/v1/containers/${made.id}`);
        response.json({ ...viewOfContainer(made), ...(wanted.restore_from === undefined ? {} : { variables_restored: false }) });
      },
    ],
  };
}
