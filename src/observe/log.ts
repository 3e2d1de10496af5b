import { type Logger, pino } from "pino";
import { safeError } from "./safe-error.ts";

export type Log = Logger;

/**
 * Structured lines on standard error. Callers never pass in code, outputs, file contents or keys; the redaction below is a
 * second safeguard.
 */
export function makeLog(level: string, bindings: Record<string, string> = {}): Log {
  return pino(
    {
      level,
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
