import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { Evidence, Execution } from "../../domain/result.ts";
import { readableText } from "../../readable/readable-text.ts";

const MIB = 1024 * 1024;

/** An execution's result as text for the model: its outputs in order, then how it ended, within the bound. */
export function toolText(execution: Execution, limits: Limits): string {
  const parts = execution.outputs.map((output) => textOf(output, limits)).filter((text) => text !== "");
  const body = shortened(parts.join("\n"), limits.toolTextCharsMax);
  const rest = [...truncationNotes(execution), endNote(execution, limits)].filter((text) => text !== "");
  const text = [body, ...rest].filter((part) => part !== "").join("\n");
  return text === "" ? "[The code ran to its end and printed nothing.]" : text;
}

/** Keeps the beginning and the end, where results and errors are. */
export function shortened(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const head = Math.floor(charsMax * 0.7);
  const tail = charsMax - head;
  const cut = text.length - head - tail;
  return `${text.slice(0, head)}\n[… ${cut} characters left out; print less …]\n${text.slice(-tail)}`.toWellFormed();
}

function textOf(output: Output, limits: Limits): string {
  switch (output.type) {
    case "text": {
      const text = readableText(output, limits.toolTableRowsMax);
      return output.stream === "stderr" && text !== "" ? `[stderr]\n${text}` : text;
    }
    case "result":
    case "html":
    case "latex":
    case "markdown":
    case "json":
      return readableText(output, limits.toolTableRowsMax);
    case "table":
      return tableText(output, limits.toolTableRowsMax);
    case "chart":
      return `[${output.kind} chart${output.title === "" ? "" : ` titled ${JSON.stringify(output.title)}`}]`;
    case "image":
      return `[image ${output.mime_type}${output.width === null ? "" : `, ${output.width}×${output.height}`}, shown to the user: ${output.url}]`;
    case "file":
      return `[file ${JSON.stringify(output.name)} ${output.change}, ${output.bytes} bytes: ${output.url}]`;
    case "error":
      return output.traceback.length > 0 ? output.traceback.join("\n") : `${output.name}: ${output.value}`;
  }
}

function tableText(table: Extract<Output, { type: "table" }>, rowsMax: number): string {
  const rows = table.rows.slice(0, rowsMax).map((row) => row.map((cell) => (cell === null ? "" : String(cell))).join(" | "));
  const left = table.row_count - rows.length;
  return [table.columns.map((column) => column.name).join(" | "), ...rows, ...(left > 0 ? [`[… ${left} more rows]`] : [])].join("\n");
}

function truncationNotes({ truncated, skipped_files }: Execution): string[] {
  const cut = Object.entries(truncated).flatMap(([name, is]) => (is ? [name] : []));
  return [
    ...(cut.length > 0 ? [`[More than is kept was written to: ${cut.join(", ")}.]`] : []),
    ...skipped_files.map((file) => `[The file ${JSON.stringify(file.name)} was left out: ${file.reason}.]`),
  ];
}

/** How the code ended, when its outputs do not show it. */
function endNote(execution: Execution, limits: Limits): string {
  const { cause, evidence, status } = execution;
  const gone = restoredNote(evidence) ?? (status !== "completed" && isSessionGone(execution) ? " Variables and imports are gone." : "");
  const restored = evidence.restored === undefined ? "" : `[The code ended its process.${gone}]`;
  // A session may have less memory than the maximum.
  const memoryMb = evidence.limit === "memory_bytes" ? Math.round((evidence.limit_value ?? 0) / MIB) : limits.memoryMbMax;
  switch (cause) {
    case null:
      return restored;
    case "exception":
      return evidence.suggestion === undefined ? restored : `[${evidence.suggestion}]${restored}`;
    case "exit":
      return `[The code ended itself with exit code ${evidence.exit_code ?? "unknown"}.${gone}]`;
    case "signal":
      return `[The process was ended by ${evidence.signal ?? "a signal"}.${gone}]`;
    case "timeout":
      return `[Stopped: the code ran longer than ${(evidence.limit_value ?? limits.runTimeoutMsMax) / 1000} seconds.${gone}]`;
    case "memory":
      return `[Stopped: the code needed more memory than the ${memoryMb} MiB there are.${gone}]`;
    case "processes":
      return `[Stopped: more than ${limits.processesMax} processes and threads.${gone}]`;
    case "disk":
      return `[Stopped: the folder is full; /mnt/data holds ${limits.workingFolderMbMax} MiB.${gone}]`;
    case "output":
      return `[Stopped: too much output.${gone}]`;
    case "cancelled":
      return `[Stopped: cancelled.${gone}]`;
    case "sandbox_lost":
    case "worker_lost":
      return "[The sandbox was lost while the code ran; its variables are gone.]";
  }
}

function restoredNote({ restored }: Evidence): string | null {
  if (restored === undefined) return null;
  return " Variables are as they were before this code; threads and sockets are gone, files are as the code left them.";
}

export function isSessionGone(execution: Execution): boolean {
  const { cause, evidence } = execution;
  return cause === "worker_lost" || cause === "sandbox_lost" || evidence.session_alive === false;
}
