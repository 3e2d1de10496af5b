import type { Limits } from "../../domain/limits.ts";
import type { RunInput } from "../../domain/run.ts";
import type { ToolDeclaration } from "../../domain/tools.ts";
import type { RunHead } from "./frames.ts";

/** The bounds of a run in the form that the runner expects. */
export function runHead(input: RunInput, limits: Limits): RunHead {
  return {
    ...(input.session === undefined ? {} : { session: true, copies: input.copies === true, restore_ms: limits.sessionRestoreMsMax }),
    announce_start: true,
    timeout_ms: input.timeoutMs,
    args: input.args,
    env: input.env,
    stdout_kept_bytes: limits.stdoutKeptBytesMax,
    stderr_kept_bytes: limits.stderrKeptBytesMax,
    output_stop_bytes: limits.outputStopBytesMax,
    outputs_count: limits.outputsCountMax,
    display_bytes: limits.displayBytesMax,
    displays_bytes: limits.displaysBytesMax,
    display_values: limits.displayValuesMax,
    displays_values: limits.displaysValuesMax,
    table_rows: limits.tableRowsMax,
    table_columns: limits.tableColumnsMax,
    chart_points: limits.chartPointsMax,
    text_value_bytes: limits.textValueBytesMax,
    traceback_lines: limits.tracebackLinesMax,
    files_count: limits.filesOutCountMax,
    file_bytes: limits.fileOutBytesMax,
    files_bytes: limits.filesOutBytesMax,
    collect_timeout_ms: limits.collectTimeoutMsMax,
    ...(input.tools === undefined ? {} : toolsHead(input.tools, limits)),
  };
}

type RunTools = NonNullable<RunInput["tools"]>;

/** The tools of the caller and those of MCP servers, which have a dot in their names. */
export function allTools({ declared, servers = [] }: RunTools): ToolDeclaration[] {
  const ofServers = servers.flatMap(({ tools }) =>
    tools.map(({ name, description, parameters }) => ({ type: "function" as const, name, description, parameters })),
  );
  return [...declared, ...ofServers];
}

function toolsHead(tools: RunTools, limits: Limits) {
  return {
    tools: allTools(tools),
    tool_servers: (tools.servers ?? []).map(({ label, problem }) => ({ label, ...(problem === undefined ? {} : { problem }) })),
    tool_calls_open: limits.toolCallsOpenMax,
    tool_calls_count: limits.toolCallsPerExecutionMax,
    tool_value_bytes: limits.toolValueBytesMax,
    tool_wait_ms: limits.toolWaitMsMax,
  };
}
