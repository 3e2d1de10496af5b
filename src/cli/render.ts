import type { Output } from "../domain/outputs.ts";
import { readableText } from "../readable/readable-text.ts";
import { alignTable } from "./table.ts";
import { sanitizeLine } from "./terminal.ts";

/** Rows of one HTML table. */
const HTML_ROWS_MAX = 1_000;

export interface Rendered {
  stream: "stdout" | "stderr";
  text: string;
}

/**
 * Renders an output as text; null for images and files. Text output is unchanged; all other outputs are printed on their own
 * lines. `columns` is the width of the terminal, if there is one.
 */
export function renderOutput(output: Output, columns?: number): Rendered | null {
  switch (output.type) {
    case "text":
      return { stream: output.stream, text: output.text };
    case "table":
      return { stream: "stdout", text: alignTable(output, columns) };
    case "json":
      return { stream: "stdout", text: JSON.stringify(output.data, null, 2) };
    case "html":
      return { stream: "stdout", text: readableText(output, HTML_ROWS_MAX) };
    case "latex":
    case "markdown":
    case "result":
      return { stream: "stdout", text: output.text };
    case "error":
      return { stream: "stderr", text: tracebackOf(output) };
    case "chart": {
      const title = output.title === "" ? "" : ` “${sanitizeLine(output.title)}”`;
      const count = output.series.length;
      return { stream: "stderr", text: `[${output.kind} chart${title}, ${count} series]` };
    }
    case "image":
    case "file":
      return null;
  }
}

function tracebackOf(output: Extract<Output, { type: "error" }>): string {
  const lines = output.traceback.map((line) => line.replace(/\n$/, ""));
  return lines.length > 0 ? lines.join("\n") : `${output.name}: ${output.value}`;
}

/** File name for an image, which has none; `number` counts from 1. */
export function imageName(mimeType: string, number: number): string {
  const ending: Record<string, string> = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
  };
  return `image-${number}.${ending[mimeType] ?? "bin"}`;
}
