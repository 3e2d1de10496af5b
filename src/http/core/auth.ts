import type { Request, RequestHandler, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { Caller } from "../../keys/keys.ts";
import type { Scope } from "../../keys/stored-key.ts";

/** Refuses requests without a valid key. Later handlers get the caller from `callerOf`. */
export function authenticate(keys: { find(text: string): Caller | null }): RequestHandler {
  return (request, response, next) => {
    const caller = keys.find(keyText(request));
    if (caller === null) throw new ServiceError("invalid_key", { detail: "The API key is unknown, has expired or has been revoked." });
    response.locals.caller = caller;
    next();
  };
}

/** Refuses callers whose key lacks the scope. `admin` includes all scopes. */
export function requireScope(scope: Scope): RequestHandler {
  return (_request, response, next) => {
    const { scopes } = callerOf(response);
    if (!scopes.has(scope) && !scopes.has("admin")) {
      throw new ServiceError("missing_scope", { detail: `This call needs a key with the scope \`${scope}\`.` });
    }
    next();
  };
}

export function callerOf(response: Response): Caller {
  return response.locals.caller as Caller;
}

/** Two keys in one request are refused, because proxies and servers disagree on which one counts. */
function keyText(request: Request): string {
  const bearers = request.headersDistinct.authorization ?? [];
  const plain = request.headersDistinct["x-api-key"] ?? [];
  if (bearers.length + plain.length > 1) {
    throw new ServiceError("malformed_request", { detail: "Send one key, in Authorization or in X-API-Key." });
  }
  if (plain[0] !== undefined) return plain[0];
  if (bearers[0] === undefined) {
    throw new ServiceError("missing_key", { detail: "Send `Authorization: Bearer <key>` or `X-API-Key: <key>`." });
  }
  const match = /^Bearer +([^\s]+) *$/i.exec(bearers[0]);
  if (match === null) throw new ServiceError("invalid_key", { detail: "The Authorization header must be `Bearer <key>`." });
  return match[1] as string;
}
