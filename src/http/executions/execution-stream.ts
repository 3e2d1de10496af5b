import type { Response } from "express";
import { executionPieces, type JsonPieces, withMember } from "../../domain/execution-text.ts";
import type { ReadEvent } from "../../domain/result.ts";
import { StoredJson } from "../../domain/stored-json.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps } from "../core/deps.ts";
import { streamEvents } from "../core/sse.ts";

/** Streams the events of an execution, from the start or after an event. A stream can be resumed. */
export async function streamExecution(
  { executions, limits, metrics, stopping }: Pick<AppDeps, "executions" | "limits" | "metrics" | "stopping">,
  { organization, id, after }: { organization: string; id: string; after: string | null },
  response: Response,
): Promise<void> {
  const signal = AbortSignal.any([callerGone(response), stopping]);
  const events = executions.events(organization, id, after, signal);
  await streamEvents(response, events, { signal, pingMs: limits.streamPingMs, open: metrics.eventStreams, piecesOf });
}

function piecesOf(event: ReadEvent): JsonPieces {
  if (event.type === "execution.ended") {
    const { execution, ...rest } = event;
    return [withMember(rest, "execution"), ...executionPieces(execution), "}"];
  }
  if (event.type === "execution.output" && event.output instanceof StoredJson) {
    const { output, ...rest } = event;
    return [withMember(rest, "output"), output, "}"];
  }
  return [JSON.stringify(event)];
}
