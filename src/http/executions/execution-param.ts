import type { Request, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import { executionIdPattern } from "../../domain/ids.ts";
import type { Execution } from "../../domain/result.ts";
import { callerOf } from "../core/auth.ts";
import type { Executions } from "../core/ports.ts";

/** The `:id` of the path; anything that is no execution id names no execution. */
export function executionIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !executionIdPattern.test(id)) throw new ServiceError("execution_not_found");
  return id;
}

/** The execution a path names, of the caller's organization. */
export async function executionOf(executions: Executions, request: Request, response: Response): Promise<Execution> {
  const found = await executions.get(callerOf(response).organization, executionIdOf(request));
  if (found === null) throw new ServiceError("execution_not_found");
  return found;
}
