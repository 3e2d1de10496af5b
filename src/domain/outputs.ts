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
  mime_type: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"]),
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

const point = z.union([z.string(), z.number(), z.null()]);
const axis = z.object({
  label: z.string(),
  scale: z.string().describe("`linear`, `log` and so on; `date` for ISO dates, `category` for names"),
  ticks: z.array(point).describe("positions of the ticks in view; ISO dates on a date axis"),
  tick_labels: z.array(z.string()).describe("as drawn, one per tick"),
  dtype: z
    .enum(["int", "float"])
    .optional()
    .describe("what the numbers of the series are in Python: JSON has one kind of number and writes 1.0 as 1"),
});

export const chartSeries = z.object({
  name: z.string().nullable(),
  x: z.array(point).optional(),
  y: z.array(point).optional(),
  z: z.array(point).optional().describe("in three dimensions"),
  base: z.array(point).optional().describe("areas: the other edge, `y` being the first"),
  labels: z.array(z.string()).optional().describe("pie slices and box groups"),
  values: z.array(point).optional().describe("pie slices; histogram counts"),
  edges: z.array(z.number()).optional().describe("histogram bin edges, one more than values"),
  boxes: z.array(z.object({ min: point, q1: point, median: point, q3: point, max: point, outliers: z.array(point) })).optional(),
  rows: z.array(z.array(point)).optional().describe("heatmap cells, row by row"),
  x_edges: z.array(point).optional().describe("heatmap: borders of the columns"),
  y_edges: z.array(point).optional().describe("heatmap: borders of the rows"),
  shape: z.string().optional().describe("kind `other`: matplotlib's class of the shape; `x` and `y` are its corners"),
});

export const chartOutput = z.object({
  type: z.literal("chart"),
  kind: z.enum(["line", "scatter", "bar", "pie", "box", "histogram", "area", "heatmap", "other"]),
  title: z.string().describe("title of the axes; of the figure if these are its only axes and have none"),
  figure_title: z.string().describe("title of the whole figure (`suptitle`)"),
  projection: z.string().optional().describe("`polar`, `3d` and so on; absent for plain axes"),
  axes: z.object({ x: axis, y: axis, z: axis.optional() }),
  series: z.array(chartSeries),
  truncated: z.boolean(),
});

export const jsonOutput = z.object({
  type: z.literal("json"),
  data: z.unknown(),
  mime_type: z.string().optional().describe("the kind of JSON, as for a Plotly or Vega-Lite figure; absent for plain JSON"),
  role,
});
export const htmlOutput = z.object({ type: z.literal("html"), text: z.string(), role, data: otherForms });
export const latexOutput = z.object({ type: z.literal("latex"), text: z.string(), role, data: otherForms });
export const markdownOutput = z.object({ type: z.literal("markdown"), text: z.string(), role, data: otherForms });
export const resultOutput = z.object({
  type: z.literal("result"),
  text: z.string().describe("the value's repr"),
  json: z.unknown().optional().describe("a dict or list that JSON can hold unchanged; absent for all other values, and for large ones"),
});

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
