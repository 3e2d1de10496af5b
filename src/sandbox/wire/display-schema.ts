import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { z } from "zod";
import { display, errorOutput } from "../../domain/outputs.ts";

/**
 * Validates outputs from a sandbox. Ajv stops at the first error. Zod describes every error, which for a table with
 * 200,000 wrong cells takes seconds and then overflows the stack.
 */
type Display = z.infer<typeof display>;
type ErrorOutput = z.infer<typeof errorOutput>;

const ajv = new Ajv2020({ allowUnionTypes: true });
const displays = new Map<unknown, ValidateFunction<Display>>(
  display.options.map((option) => [option.shape.type.value, ajv.compile<Display>(z.toJSONSchema(option))]),
);
const isError = ajv.compile<ErrorOutput>(z.toJSONSchema(errorOutput));

/** Returns the head of a display frame as an output; null when it is invalid or has an unknown member. */
export function parseDisplay(head: Record<string, unknown>): Display | null {
  return displays.get(head.type)?.(head) ? (head as Display) : null;
}

/** Returns the head of an error frame as an output, with the exception's errno if it has one; null when it is invalid. */
export function parseErrorOutput({ errno, ...head }: Record<string, unknown>): { raised: ErrorOutput; errno: number | null } | null {
  const raised = { ...head, type: "error" };
  return isError(raised) ? { raised, errno: typeof errno === "number" ? errno : null } : null;
}
