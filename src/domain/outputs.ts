import { z } from "zod";

/**
 * The typed outputs of an execution: a union on `type`, in the order they appeared. This is the only definition. The
 * OpenAPI document, the validation of the runner's frames and all other API formats derive from it.
 */
const role = z.enum(["result", "display"]).describe("`result` for the value of the last expression, `display` otherwise");

/** Other MIME forms of a rich value, by MIME type. */
const otherForms = z
  .record(z.string(), z.string())
  .meta({ description: "Other MIME forms of the same value, by MIME type", maxProperties: 16 })
  .optional();

/** A table cell. NaN and infinities arrive as null. */
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

export const textOutput = z.object({
  type: z.literal("text"),
  stream: z.enum(["stdout", "stderr"]),
  text: z.string().describe("exactly what was written, newlines included"),
  invalid_utf8: z.boolean().optional().describe("true when bytes that are not UTF-8 were replaced by U+FFFD"),
});

export const imageOutput = z.object({
  type: z.literal("image"),
  mime_type: z.enum(["image/png", "image/jpeg", "image/svg+xml"]),
  file_id: z.string(),
  url: z.string(),
  bytes: z.number().int().nonnegative(),
  width: z.number().int().nonnegative().nullable().describe("pixels; null when the format has none"),
  height: z.number().int().nonnegative().nullable().describe("pixels; null when the format has none"),
  role,
  data: otherForms,
});

export const tableOutput = z.object({
  type: z.literal("table"),
  columns: z.array(z.object({ name: z.string(), dtype: z.string() })),
  rows: z.array(z.array(scalar)),
  row_count: z.number().int().nonnegative().describe("rows of the value; `rows` may contain only the first ones"),
  truncated: z.boolean(),
  role,
  data: otherForms,
});

const axis = z.object({ label: z.string(), scale: z.string() });
const point = z.union([z.string(), z.number(), z.null()]);

export const chartSeries = z.object({
  name: z.string().nullable(),
  x: z.array(point).optional(),
  y: z.array(point).optional(),
  labels: z.array(z.string()).optional().describe("pie slices and box groups"),
  values: z.array(point).optional().describe("pie slices; histogram counts"),
  edges: z.array(z.number()).optional().describe("histogram bin edges, one more than values"),
  boxes: z.array(z.object({ min: point, q1: point, median: point, q3: point, max: point, outliers: z.array(point) })).optional(),
});

export const chartOutput = z.object({
  type: z.literal("chart"),
  kind: z.enum(["line", "scatter", "bar", "pie", "box", "histogram"]),
  title: z.string(),
  axes: z.object({ x: axis, y: axis }),
  series: z.array(chartSeries),
  truncated: z.boolean(),
});

export const jsonOutput = z.object({ type: z.literal("json"), data: z.unknown(), role });
export const htmlOutput = z.object({ type: z.literal("html"), text: z.string(), role, data: otherForms });
export const latexOutput = z.object({ type: z.literal("latex"), text: z.string(), role, data: otherForms });
export const markdownOutput = z.object({ type: z.literal("markdown"), text: z.string(), role, data: otherForms });
export const resultOutput = z.object({ type: z.literal("result"), text: z.string().describe("the value's repr") });

export const fileOutput = z.object({
  type: z.literal("file"),
  file_id: z.string(),
  url: z.string(),
  name: z.string().describe("path relative to the working folder"),
  mime_type: z.string(),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().length(64),
  change: z.enum(["created", "modified"]),
});

export const errorOutput = z.object({
  type: z.literal("error"),
  name: z.string(),
  value: z.string(),
  traceback: z.array(z.string()).describe("lines, without terminal colours"),
  line: z.number().int().positive().nullable().describe("line of the submitted code, from 1"),
});

export const output = z.discriminatedUnion("type", [
  textOutput,
  imageOutput,
  tableOutput,
  chartOutput,
  jsonOutput,
  htmlOutput,
  latexOutput,
  markdownOutput,
  resultOutput,
  fileOutput,
  errorOutput,
]);
export type Output = z.infer<typeof output>;

/** Printed text as a block of its own, for views that put each output on its own lines. */
export function withoutFinalNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/**
 * The head of a display frame from the runner: an output that has no file id yet. The frame's body holds the bytes of
 * an image. All of it comes from user code, so it is validated before it becomes an output.
 */
export const display = z.discriminatedUnion("type", [
  imageOutput.omit({ file_id: true, url: true, bytes: true }),
  tableOutput,
  chartOutput,
  jsonOutput,
  htmlOutput,
  latexOutput,
  markdownOutput,
  resultOutput,
]);
