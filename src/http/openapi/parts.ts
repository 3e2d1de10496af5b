import { extendZodWithOpenApi, type OpenAPIRegistry, type ResponseConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { catalogue, type ErrorCode, errorCodes } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";

export interface PathContext {
  registry: OpenAPIRegistry;
  limits: Limits;
  /** The two ways to send a key. */
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
  errors: z
    .array(z.object({ param: z.string(), message: z.string() }).strict())
    .optional()
    .describe("all fields at fault, the first of them as in `error.param`"),
  trace_id: z.string().optional().describe("trace id of the request, when tracing is on"),
  code: z.enum(errorCodes),
  success: z.literal(false),
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe("the field at fault, as a path like `files.0.name`"),
    code: z.string().describe("the code above, or OpenAI's code for a model that failed: rate_limit_exceeded, context_length_exceeded, …"),
    status: z.number().int(),
  }),
};

/** The body of every error. */
const problem = z.object(problemShape).strict().openapi("Problem");

/** The body of the error for a caller that waited for an execution and the service failed. */
export function problemWithExecution(execution: z.ZodType) {
  const member = execution.optional().describe("the ended execution with its output so far, when the error concerns one");
  return z
    .object({ ...problemShape, execution: member })
    .strict()
    .openapi("ProblemWithExecution");
}

/** The body of the error for a caller that waited for a response that failed. */
export function problemWithResponse(response: z.ZodType) {
  const member = response.optional().describe("the failed response with its output so far, when the error concerns one");
  return z
    .object({ ...problemShape, response: member })
    .strict()
    .openapi("ProblemWithResponse");
}

/** Errors of every call that needs a key. */
const commonErrors: ErrorCode[] = [
  "malformed_request",
  "missing_key",
  "invalid_key",
  "missing_scope",
  "rate_limited",
  "queue_unavailable",
  "queue_not_writable",
  "internal",
];

interface ErrorOptions {
  /** Body of the errors from 500. */
  serverErrorBody?: z.ZodType;
  /** Body of the others. */
  callerErrorBody?: z.ZodType;
  /** Statuses of invalid and unknown fields: 400 on routes that OpenAI's API has too. */
  fieldStatuses?: readonly number[];
}

const fieldErrors: readonly ErrorCode[] = ["invalid_field", "unknown_field"];

/** Responses for error codes, one per status, that describe its codes. */
export function errorResponses(codes: readonly ErrorCode[], options: ErrorOptions = {}): Record<number, ResponseConfig> {
  const { serverErrorBody = problem, callerErrorBody = problem, fieldStatuses = [422] } = options;
  const all = [...new Set([...commonErrors, ...codes])];
  const statusesOf = (code: ErrorCode) => (fieldErrors.includes(code) ? fieldStatuses : [catalogue[code].status]);
  const responses: Record<number, ResponseConfig> = {};
  for (const status of new Set(all.flatMap(statusesOf))) {
    const ofStatus = all.filter((code) => statusesOf(code).includes(status));
    const description = ofStatus.map((code) => `\`${code}\`: ${catalogue[code].title}.`).join(" ");
    responses[status] = {
      description,
      ...(status === 429 || status === 503 ? { headers: z.object({ "Retry-After": z.string().describe("seconds") }) } : {}),
      content: {
        "application/problem+json": {
          schema: status >= 500 ? serverErrorBody : callerErrorBody,
          example: exampleOf(ofStatus[0] as ErrorCode, status),
        },
      },
    };
  }
  return responses;
}

/** The same for routes that OpenAI's API has too. */
export function openaiErrorResponses(codes: readonly ErrorCode[]): Record<number, ResponseConfig> {
  return errorResponses(codes, { fieldStatuses: [400] });
}

export function jsonResponse(description: string, schema: z.ZodType, example?: unknown): ResponseConfig {
  return { description, content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } } };
}

export function listOf(item: z.ZodType) {
  return z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      has_more: z.boolean().describe("whether more follow; a page may be shorter than `limit`"),
      first_id: z.string().nullable(),
      last_id: z.string().nullable().describe("`after` of the next page"),
    })
    .strict();
}

function exampleOf(code: ErrorCode, status: number) {
  const { title, type } = catalogue[code];
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
