import type { Request, RequestHandler } from "express";
import express from "express";
import type { z } from "zod";
import { ServiceError } from "../errors.ts";
import type { Limits } from "../limits.ts";

/** Reads a JSON body, bounded in bytes and depth; refuses other content types by name. */
export function jsonBody(limits: Limits): RequestHandler[] {
  const parse = express.json({ limit: limits.requestBodyBytesMax, type: isJson });
  const ensureJson: RequestHandler = (request, _response, next) => {
    if (!isJson(request)) throw new ServiceError("unsupported_media_type", { detail: "Send the body as application/json in UTF-8." });
    next();
  };
  const ensureShallow: RequestHandler = (request, _response, next) => {
    const levels = limits.requestBodyDepthMax;
    if (isDeeper(request.body, levels))
      throw new ServiceError("malformed_request", { detail: `The body must have at most ${levels} levels.` });
    next();
  };
  return [ensureJson, parse, ensureShallow];
}

/** Level by level, as a body that is too deep is too deep to recurse into. */
function isDeeper(value: unknown, levels: number): boolean {
  let level = [value].filter(isNested);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === levels) return true;
    level = level.flatMap((nested) => Object.values(nested).filter(isNested));
  }
  return false;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
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
