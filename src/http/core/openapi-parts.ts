import { extendZodWithOpenApi, type OpenAPIRegistry, type ResponseConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { catalogue, type ErrorCode, errorCodes } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";

export interface PathContext {
  registry: OpenAPIRegistry;
  limits: Limits;
  /** The two ways to send a key, for calls that need one. */
  security: Array<Record<string, string[]>>;
  executionId: { params: z.ZodObject };
  fileId: { params: z.ZodObject };
  containerId: { params: z.ZodObject };
}

extendZodWithOpenApi(z);

const problemShape = {
  type: z.string().describe("urn:code-interpreter:error:<code>"),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().describe("what to change, naming the field and its bound"),
  instance: z.string().describe("the request's id, as in X-Request-Id"),
  trace_id: z.string().optional().describe("the trace of the request, where the service is traced"),
  code: z.enum(errorCodes),
  success: z.literal(false),
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe("the field it is about, as a path like `files.0.name`"),
    code: z.enum(errorCodes),
    status: z.number().int(),
  }),
};

/** The body of every error. */
const problem = z.object(problemShape).strict().openapi("Problem");

/** The body of the error that a caller gets who waited for an execution that we failed at. */
export function problemWithExecution(execution: z.ZodType) {
  const member = execution.optional().describe("the execution as it ended, with the output from before, where the error is about one");
  return z
    .object({ ...problemShape, execution: member })
    .strict()
    .openapi("ProblemWithExecution");
}

/** What every call with a key can answer. */
const everywhere: ErrorCode[] = [
  "malformed_request",
  "missing_key",
  "invalid_key",
  "missing_scope",
  "rate_limited",
  "queue_unavailable",
  "internal",
];

/** Responses for error codes, one for each status, with the codes and what they mean in words. */
export function errorResponses(codes: readonly ErrorCode[], serverErrorBody: z.ZodType = problem): Record<number, ResponseConfig> {
  const all = [...new Set([...everywhere, ...codes])];
  const responses: Record<number, ResponseConfig> = {};
  for (const status of new Set(all.map((code) => catalogue[code].status))) {
    const ofStatus = all.filter((code) => catalogue[code].status === status);
    const description = ofStatus.map((code) => `\`${code}\`: ${catalogue[code].title}.`).join(" ");
    responses[status] = {
      description,
      ...(status === 429 || status === 503 ? { headers: z.object({ "Retry-After": z.string().describe("seconds") }) } : {}),
      content: {
        "application/problem+json": { schema: status >= 500 ? serverErrorBody : problem, example: exampleOf(ofStatus[0] as ErrorCode) },
      },
    };
  }
  return responses;
}

export function jsonResponse(description: string, schema: z.ZodType, example?: unknown): ResponseConfig {
  return { description, content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } } };
}

export function listOf(item: z.ZodType) {
  return z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      has_more: z.boolean().describe("more follow; a page may be shorter than `limit`"),
      first_id: z.string().nullable(),
      last_id: z.string().nullable().describe("`after` of the next page"),
    })
    .strict();
}

function exampleOf(code: ErrorCode) {
  const { status, title, type } = catalogue[code];
  const detail = `${title}.`;
  return {
    type: `urn:code-interpreter:error:${code}`,
    title,
    status,
    detail,
    instance: "req_0f8fad5bd9cb469fa165b7d5",
    code,
    success: false,
    error: { message: detail, type, param: null, code, status },
  };
}
