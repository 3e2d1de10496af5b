export { CodeInterpreter, type CodeInterpreterOptions, Session } from "./client.ts";
export { CodeInterpreterError } from "./errors.ts";
export type { File, InputFile, RunOptions, ToolFunction } from "./run.ts";
export { Result } from "./result.ts";
export type { components } from "./generated.ts";
export type { Execution, ExecutionEvent, Output } from "./types.ts";
