import type { Limits } from "../domain/limits.ts";
import type { Output } from "../domain/outputs.ts";
import type { Execution } from "../domain/result.ts";
import { isFigure } from "../readable/json-text.ts";
import { markdownTable } from "../readable/markdown-table.ts";
import { readableText } from "../readable/readable-text.ts";
import { cutText } from "./cut-text.ts";
import { endingText } from "./ending.ts";

type Image = Extract<Output, { type: "image" }>;
type File = Extract<Output, { type: "file" }>;

/** One piece of a tool result, before images are loaded and texts are cut. */
export type Piece =
  /** `firm` texts are short and never cut in favour of printed output. */
  { kind: "text"; text: string; firm: boolean } | { kind: "image"; image: Image } | { kind: "file"; file: File };

/** An execution as pieces in order, its ending last. */
export function piecesOf(execution: Execution, limits: Limits): Piece[] {
  const pieces = execution.outputs.flatMap((output) => pieceOf(output, limits) ?? []);
  for (const note of notesOf(execution)) pieces.push(firm(note));
  return pieces.length === 0 ? [firm("The code ran to its end without output.")] : pieces;
}

function pieceOf(output: Output, limits: Limits): Piece | null {
  switch (output.type) {
    case "text": {
      const text = readableText(output, limits.toolTableRowsMax);
      return loose(output.stream === "stderr" && text !== "" ? `[stderr]\n${text}` : text);
    }
    case "json": {
      const text = readableText(output, limits.toolTableRowsMax);
      return loose(isFigure(output.mime_type) ? text : fenced("json", text));
    }
    case "result":
    case "markdown":
    case "latex":
    case "html":
      return loose(readableText(output, limits.toolTableRowsMax));
    case "table":
      return loose(markdownTable(output, limits.toolTableRowsMax));
    case "chart":
      // The figure also comes as an image; the points would only fill the model's context window.
      return loose(`[${output.kind} chart${output.title === "" ? "" : `: ${output.title}`}, ${output.series.length} series]`);
    case "error":
      return firm(errorText(output));
    case "image":
      return { kind: "image", image: output };
    case "file":
      return { kind: "file", file: output };
  }
}

/** The last lines of a traceback are the most useful. */
const TRACEBACK_LINES_SHOWN = 40;
const ERROR_CHARS_MAX = 4_000;

function errorText(error: Extract<Output, { type: "error" }>): string {
  const lines = error.traceback.length > 0 ? error.traceback : [`${error.name}: ${error.value}`];
  const shown = lines.slice(-TRACEBACK_LINES_SHOWN);
  const left = lines.length - shown.length;
  return cutText([...(left > 0 ? [`[… ${left} lines left out …]`] : []), ...shown].join("\n"), ERROR_CHARS_MAX);
}

function notesOf(execution: Execution): string[] {
  const { truncated, skipped_files: skipped } = execution;
  const notes: string[] = [];
  const ending = endingText(execution);
  if (ending !== null) notes.push(ending);
  const cut = (["stdout", "stderr"] as const).filter((stream) => truncated[stream]);
  if (cut.length > 0) notes.push(`More was written to ${cut.join(" and ")} than is kept.`);
  if (truncated.outputs) notes.push("There were more outputs than are kept.");
  if (skipped.length > 0)
    notes.push(cutText(`Files left out: ${skipped.map((file) => `${file.name} (${file.reason})`).join(", ")}.`, 1_000));
  else if (truncated.files) notes.push("There were more files than are kept.");
  return notes;
}

function firm(text: string): Piece {
  return { kind: "text", text, firm: true };
}

/** An empty text, such as that of `print("")`, is no piece. */
function loose(text: string): Piece | null {
  return text === "" ? null : { kind: "text", text, firm: false };
}

/** Uses a fence longer than any in the text, so that the text cannot end it. */
function fenced(language: string, text: string): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
