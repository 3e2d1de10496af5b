import type { Response } from "express";
import { errorCodeOf, type Failure, openaiCodeOf } from "../../assistant/views/failure.ts";
import type { StoredResponse } from "../../assistant/views/response.ts";
import { viewOfResponse } from "../../assistant/views/views.ts";
import { ServiceError } from "../../domain/errors.ts";
import { writeProblem } from "../core/answer-error.ts";
import type { ImageUrls } from "./image-urls.ts";

/**
 * Answers a caller that waited for the end of a response. OpenAI's clients expect an error when it failed; the error contains the
 * response with its output so far.
 */
export async function answerResponse(response: Response, ended: StoredResponse, images: ImageUrls): Promise<void> {
  const view = await images.inView(viewOfResponse(ended), ended.dialect);
  if (ended.dialect === "own" || ended.failure === null) {
    response.json(view);
    return;
  }
  response.setHeader("x-should-retry", String(isWorthRetrying(ended.failure)));
  const { message, retryAfterMs } = ended.failure;
  const error = new ServiceError(errorCodeOf(ended.failure), {
    detail: message,
    ...(retryAfterMs === undefined ? {} : { retryAfterSeconds: retryAfterMs / 1000 }),
  });
  writeProblem(response, error, { response: view }, openaiCodeOf(ended.failure));
}

/** The service itself has retried the model. Another try would run the code of the response again. */
function isWorthRetrying({ code }: Failure): boolean {
  return code === "model_rate_limited" || code === "process_lost" || code === "container_unavailable";
}
