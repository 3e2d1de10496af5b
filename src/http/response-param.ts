import type { Request, Response } from "express";
import type { StoredResponse } from "../assistant/response.ts";
import { ServiceError } from "../errors.ts";
import type { AssistantPart } from "./assistant-port.ts";
import { callerOf } from "./auth.ts";

/** The response a path names, of the caller's organization. */
export async function responseOf(assistant: AssistantPart, request: Request, response: Response): Promise<StoredResponse> {
  const found = await assistant.responses.get(callerOf(response).organization, idOf(request));
  if (found === null) throw new ServiceError("response_not_found");
  return found;
}

/** The `:id` of the path. */
export function idOf(request: Request): string {
  const { id } = request.params;
  return typeof id === "string" ? id : "";
}
