import type { Request, Response } from "express";
import type { StoredResponse } from "../../assistant/views/response.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AssistantPart } from "./assistant-port.ts";

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
