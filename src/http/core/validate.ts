import type { Request, RequestHandler } from "express";
import express from "express";
import type { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import { countJsonValues } from "../../util/json-shape.ts";

/** Reads a JSON body, bounded in bytes, values and depth; refuses other content types by name. */
export function jsonBody(limits: Limits): RequestHandler[] {
  const read = express.raw({ limit: limits.requestBodyBytesMax, type: isJson });
  const ensureJson: RequestHandler = (request, _response, next) => {
    if (!isJson(request)) throw new ServiceError("unsupported_media_type", { detail: "Send the body as application/json in UTF-8." });
    next();
  };
  const parse: RequestHandler = (request, _response, next) => {
    if (Buffer.isBuffer(request.body)) request.body = parseJson(request.body, limits);
    next();
  };
  return [ensureJson, read, parse];
}

/** Nothing at all is an empty object. What holds too much is refused before anything is built of it. */
function parseJson(body: Buffer, { requestBodyValuesMax: valuesMax, requestBodyDepthMax: depthMax }: Limits): unknown {
  if (body.length === 0) return {};
  if (countJsonValues(body, { valuesMax, depthMax }) === null) {
    throw new ServiceError("malformed_request", {
      detail: `The body must have at most ${valuesMax} values in at most ${depthMax} levels.`,
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

/** Returns the checked value; throws unknown_field or invalid_field naming the first field that is wrong. */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const unknown = result.error.issues.find((issue) => issue.code === "unrecognized_keys");
  if (unknown !== undefined) throw unknownField([...unknown.path, unknown.keys[0] ?? ""]);
  const issue = result.error.issues[0];
  const param = issue === undefined || issue.path.length === 0 ? undefined : pathText(issue.path);
  throw new ServiceError("invalid_field", {
    detail: param === undefined ? "The body must be a JSON object." : `\`${param}\`: ${issue?.message ?? "is invalid"}.`,
    ...(param === undefined ? {} : { param }),
  });
}

/** Query parameters, each given once. */
export function checkedQuery<T>(schema: z.ZodType<T>, request: Request): T {
  for (const [name, value] of Object.entries(request.query)) {
    if (typeof value !== "string")
      throw new ServiceError("invalid_field", { detail: `\`${shown(name)}\`: must be given once.`, param: shown(name) });
  }
  return checked(schema, request.query);
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.map((part) => shown(String(part))).join(".");
}

function unknownField(path: readonly PropertyKey[]): ServiceError {
  const param = pathText(path);
  return new ServiceError("unknown_field", { detail: `There is no field \`${param}\`.`, param });
}

const NAME_CHARS_SHOWN = 64;

/** A name that the caller chose, fit to be shown back: short and without control characters. */
function shown(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const clean = name.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "\u{fffd}");
  return clean.length > NAME_CHARS_SHOWN ? `${clean.slice(0, NAME_CHARS_SHOWN)}…` : clean;
}
