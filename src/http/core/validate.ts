import type { Request, RequestHandler } from "express";
import express from "express";
import type { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { countJsonValues } from "../../util/json-shape.ts";
import { type Fault, faultsOf, shownName } from "./field-faults.ts";
import { runBlocking } from "./turns.ts";

/** Parsing a body of this length takes about a millisecond. */
const BLOCKING_BYTES_MIN = 256 * 1024;

/** Makes a schema once for each set of limits: organizations may have their own. */
export function byLimits<Schema>(make: (limits: Limits) => Schema): (limits: Limits) => Schema {
  const made = new WeakMap<Limits, Schema>();
  return (limits) => {
    const schema = made.get(limits) ?? make(limits);
    made.set(limits, schema);
    return schema;
  };
}

/** Reads a JSON body with limits on bytes, values and depth. Refuses other content types. */
export function jsonBody(limits: Limits): RequestHandler[] {
  const read = express.raw({ limit: limits.requestBodyBytesMax, type: isJson });
  const ensureJson: RequestHandler = (request, _response, next) => {
    if (!isJson(request)) throw new ServiceError("unsupported_media_type", { detail: "Send the body as application/json in UTF-8." });
    next();
  };
  const parse: RequestHandler = async (request, response, next) => {
    const body: unknown = request.body;
    if (Buffer.isBuffer(body)) {
      const parseBody = () => parseJson(body, limits);
      request.body = body.length > BLOCKING_BYTES_MIN ? await runBlocking(response, parseBody) : parseBody();
    }
    next();
  };
  return [ensureJson, read, parse];
}

/** An empty body is an empty object. The limits are checked before JSON.parse allocates anything. */
function parseJson(body: Buffer, { requestBodyValuesMax: valuesMax, requestBodyDepthMax: depthMax }: Limits): unknown {
  if (body.length === 0) return {};
  if (countJsonValues(body, { valuesMax, depthMax }) === null) {
    throw new ServiceError("malformed_request", {
      detail: `The body must have at most ${valuesMax} values and ${depthMax} levels of nesting.`,
    });
  }
  const value = parsed(body);
  if (typeof value !== "object" || value === null) throw notOneObject();
  return value;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    throw notOneObject(error);
  }
}

function notOneObject(cause?: unknown): ServiceError {
  return new ServiceError("malformed_json", { detail: "The body must be one JSON object in UTF-8.", cause });
}

function isJson(request: { headers: Record<string, unknown> }): boolean {
  const [mediaType = "", ...parameters] = String(request.headers["content-type"] ?? "")
    .toLowerCase()
    .split(";");
  const charsets = parameters.map((parameter) => parameter.trim()).filter((parameter) => parameter.startsWith("charset"));
  return mediaType.trim() === "application/json" && charsets.every((charset) => /^charset\s*=\s*"?utf-8"?$/.test(charset));
}

/** Returns the validated value. Throws `unknown_field` or `invalid_field` that names the first fault and lists all. */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = faultsOf(result.error, schema, value);
  const [first] = faults;
  if (first === undefined || first.param === "") throw new ServiceError("invalid_field", { detail: "The body must be a JSON object." });
  throw new ServiceError(first.isUnknown ? "unknown_field" : "invalid_field", {
    detail: faults.map(sentence).join(" "),
    param: first.param,
    faults: faults.map((fault) => ({ param: fault.param, message: sentence(fault) })),
  });
}

/** `\`timeout_ms\` is 99000; at most 30000.` Rules begin with a verb. */
function sentence({ param, isUnknown, message }: Fault): string {
  if (isUnknown) return `There is no field \`${param}\`.${message === "" ? "" : ` ${message}`}`;
  const end = /[.?!]$/.test(message) ? "" : ".";
  return /^(?:is|must|has|cannot|needs|names|may) /.test(message) ? `\`${param}\` ${message}${end}` : `\`${param}\`: ${message}${end}`;
}

/** Validates query parameters. Each may be given once. */
export function checkedQuery<T>(schema: z.ZodType<T>, request: Request): T {
  for (const [name, value] of Object.entries(request.query)) {
    if (typeof value !== "string")
      throw new ServiceError("invalid_field", { detail: `\`${shownName(name)}\`: must be given once.`, param: shownName(name) });
  }
  return checked(schema, request.query);
}
