import type { Request, Response } from "express";
import type { Executions } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import { executionIdPattern } from "../../domain/ids.ts";
import type { ReadExecution } from "../../domain/result.ts";
import { callerOf } from "../core/auth.ts";

/** The `:id` of the path. Throws `execution_not_found` for a malformed id. */
export function executionIdOf(request: Request): string {
  const { id } = request.params;
  if (typeof id !== "string" || !executionIdPattern.test(id)) throw new ServiceError("execution_not_found");
  return id;
}

/** The execution of the path, within the caller's organization. */
export async function executionOf(executions: Executions, request: Request, response: Response): Promise<ReadExecution> {
  const found = await executions.get(callerOf(response).organization, executionIdOf(request));
  if (found === null) throw new ServiceError("execution_not_found");
  return found;
}
