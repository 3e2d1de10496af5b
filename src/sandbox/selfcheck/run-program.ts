import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { Engine } from "../../domain/run.ts";

/** Runs a program of the service itself: without an organization, files or events. `stop` is aborted with a StopReason. */
export function runProgram(
  engine: Pick<Engine, "run">,
  limits: Limits,
  { name, code }: { name: string; code: string },
  stop: AbortSignal = new AbortController().signal,
  onOutput: (output: Output) => void = () => {},
): Promise<ExecutionEnd> {
  const { runTimeoutMsMax: timeoutMs, memoryMbMax: memoryMb } = limits;
  const input = { id: name, organization: name, attempt: 1, code, args: [], stdin: "", env: {}, files: [], timeoutMs, memoryMb };
  return engine.run(input, { ...noFiles, emit: async (output) => onOutput(output) }, stop);
}

/** What a program printed, without white space around it. */
export function printedBy(end: ExecutionEnd): string {
  return end.outputs
    .map((output) => (output.type === "text" ? output.text : ""))
    .join("")
    .trim();
}

const noFiles = {
  openFile: () => Promise.reject(new Error("a program of the service has no input files")),
  saveFile: () => Promise.reject(new Error("a program of the service keeps no files")),
};
