import { type Logger, pino } from "pino";
import { safeError } from "./safe-error.ts";
import { SparseLines } from "./sparse.ts";

export type Log = Logger;

/** Whether an error, or its text, is the outage of a dependency, which every call to it then meets. */
export type IsOutage = (error: unknown) => boolean;

/**
 * Structured lines on standard error. Callers never pass in code, outputs, file contents or keys; the redaction below is a
 * second safeguard. Lines about an outage are written once a minute, with a count.
 */
export function makeLog(level: string, bindings: Record<string, string> = {}, isOutage: IsOutage = () => false): Log {
  const sparse = new SparseLines();
  return pino(
    {
      level,
      hooks: {
        logMethod(args, method) {
          const [fields, message] = args as unknown as [unknown, unknown];
          const trouble = typeof message === "string" && isObject(fields) ? (fields.err ?? fields.error) : undefined;
          if (trouble === undefined || !isOutage(trouble)) return method.apply(this, args);
          sparse.say(message as string, (repeated) => {
            const all = repeated === null ? fields : { ...(fields as object), repeated };
            method.apply(this, [all, message] as unknown as Parameters<typeof method>);
          });
        },
      },
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        err: (thrown: unknown) => safeError(thrown),
        error: (thrown: unknown) => (typeof thrown === "string" ? thrown : safeError(thrown)),
      },
      redact: {
        paths: [
          "code",
          "outputs",
          "text",
          "stdin",
          "env",
          "secret",
          "*.code",
          "*.outputs",
          "*.secret",
          "headers.authorization",
          'headers["x-api-key"]',
        ],
        remove: true,
      },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
