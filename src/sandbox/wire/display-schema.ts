import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { z } from "zod";
import { display, errorOutput } from "../../domain/outputs.ts";

/**
 * Judges what a sandbox says of an output. Ajv stops at the first thing that is wrong; zod describes each, which takes
 * seconds where a table has two hundred thousand wrong cells, and then more than the stack.
 */
type Display = z.infer<typeof display>;
type ErrorOutput = z.infer<typeof errorOutput>;

const ajv = new Ajv2020({ allowUnionTypes: true });
const displays = new Map<unknown, ValidateFunction<Display>>(
  display.options.map((option) => [option.shape.type.value, ajv.compile<Display>(z.toJSONSchema(option))]),
);
const isError = ajv.compile<ErrorOutput>(z.toJSONSchema(errorOutput));

/** The output that the head of a display frame announces, which is the head itself; null when it is none, or has a member that none has. */
export function displayOf(head: Record<string, unknown>): Display | null {
  return displays.get(head.type)?.(head) ? (head as Display) : null;
}

/** The same for the head of an error frame, and the errno of the exception if it has one. */
export function errorOf({ errno, ...head }: Record<string, unknown>): { raised: ErrorOutput; errno: number | null } | null {
  const raised = { ...head, type: "error" };
  return isError(raised) ? { raised, errno: typeof errno === "number" ? errno : null } : null;
}
