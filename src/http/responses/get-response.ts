import type { Request } from "express";
import { z } from "zod";
import { includeSchema, includesOutputs } from "../../assistant/views/request.ts";
import { viewOfResponse } from "../../assistant/views/views.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { runBlocking, stepAside } from "../core/turns.ts";
import { checked } from "../core/validate.ts";
import { ImageUrls } from "./image-urls.ts";
import { responseOf } from "./response-param.ts";
import { streamResponse } from "./response-stream.ts";

const query = z.strictObject({
  stream: z.enum(["true", "false"], { error: "must be true or false" }).optional(),
  starting_after: z
    .string()
    .regex(/^\d{1,9}$/, "must be a sequence number")
    .optional(),
  include: includeSchema.optional(),
  include_obfuscation: z.string().optional(),
});

/** GET /v1/responses/:id: the current state, or with `stream=true` the events after `starting_after`. */
export function getResponse(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/responses/:id",
    scope: "read",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const { stream, starting_after: after, include } = checked(query, queryOf(request));
        // The stored response may have megabytes.
        const found = await runBlocking(response, () => responseOf(deps.assistant, request, response));
        const images = new ImageUrls(deps, callerOf(response).organization, request);
        if (stream !== "true") {
          const view = viewOfResponse(found, { ...found.echo, includeOutputs: includesOutputs(include) || found.echo.includeOutputs });
          await runBlocking(response, async () => response.json(await images.inView(view, found.dialect)));
          return;
        }
        stepAside(response);
        const signal = AbortSignal.any([callerGone(response), deps.stopping]);
        const events = images.inEvents(
          deps.assistant.responses.events(found, after === undefined ? -1 : Number(after), signal),
          found.dialect,
        );
        await streamResponse(response, events, { signal, pingMs: deps.limits.streamPingMs, open: deps.metrics.eventStreams });
      },
    ],
  };
}

/** Clients send a list as `include=a`, `include=a&include=b` or `include[]=a`. */
export function queryOf(request: Request): Record<string, unknown> {
  const { include, "include[]": includes, ...rest } = request.query;
  const list = [include, includes].flat().filter((value) => value !== undefined);
  return list.length === 0 ? rest : { ...rest, include: list };
}
