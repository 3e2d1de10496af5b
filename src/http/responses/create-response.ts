import type { Request, Response } from "express";
import type { RunningResponse } from "../../assistant/loop/running.ts";
import { dialectOf, openaiRequestSchema, ownRequestSchema, type ResponseRequest, writtenOut } from "../../assistant/views/request.ts";
import { viewOfResponse } from "../../assistant/views/views.ts";
import { answerLikeOpenai } from "../core/answer-error.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import type { StreamOptions } from "../core/sse.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { stepAside } from "../core/turns.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { ImageUrls } from "./image-urls.ts";
import { answerResponse } from "./response-answer.ts";
import { streamResponse } from "./response-stream.ts";

/** POST /v1/responses: the model answers and runs code as needed. Waits, streams, or runs in the background. */
export function createResponse(deps: AppDeps): Route {
  const parse = requestParser(deps);
  const handler = async (request: Request, response: Response) => {
    answerLikeOpenai(response, dialectOf(request.body) === "openai");
    const wanted = parse(request.body);
    stepAside(response);
    // Without a model, retries are useless until an operator has acted.
    if (deps.assistant.models.length === 0) response.setHeader("x-should-retry", "false");
    const running = await deps.assistant.responses.create(callerOf(response).organization, wanted);
    const images = new ImageUrls(deps, callerOf(response).organization, request);
    if (wanted.stream === true)
      return stream(running, response, { images, pingMs: deps.limits.streamPingMs, open: deps.metrics.eventStreams });
    if (running.response.echo.background) {
      response.json(viewOfResponse(running.response));
      return;
    }
    const gone = abortWhenGone(running, response);
    await running.done;
    if (!gone.aborted) await answerResponse(response, running.response, images);
  };
  return {
    method: "post",
    path: "/v1/responses",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [refuseWhenStopping(deps.stopping), ...jsonBody(deps.limits), handler],
  };
}

/** Parses a body in either dialect. */
export function requestParser({ limits }: AppDeps): (body: unknown) => ResponseRequest {
  const own = ownRequestSchema(limits);
  const openai = openaiRequestSchema(limits);
  return (body) => {
    const dialect = dialectOf(body);
    if (dialect === "openai") return { ...checked(openai, writtenOut(body)), dialect };
    const { inputs, ...rest } = checked(own, writtenOut(body));
    return { ...rest, input: inputs, dialect };
  };
}

async function stream(
  running: RunningResponse,
  response: Response,
  { images, ...options }: { images: ImageUrls } & Omit<StreamOptions, "signal">,
): Promise<void> {
  const signal = running.response.echo.background ? callerGone(response) : abortWhenGone(running, response);
  const events = images.inEvents(running.events(-1, signal), running.response.dialect);
  await streamResponse(response, events, { signal, ...options });
}

/** A response that is not in the background has no other reader, so it is cancelled. */
function abortWhenGone(running: RunningResponse, response: Response): AbortSignal {
  const gone = callerGone(response);
  const abort = () => running.abort("cancelled");
  if (gone.aborted) abort();
  else gone.addEventListener("abort", abort, { once: true });
  return gone;
}
