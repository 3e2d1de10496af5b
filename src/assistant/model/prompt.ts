import type { Limits } from "../../domain/limits.ts";
import type { ToolDeclaration } from "../../domain/tools.ts";
import type { ChatTool } from "./model.ts";

/** Name of the tool for the model. */
export const TOOL_NAME = "code_interpreter";

/** What code can call: functions of the caller, and tools of the operator's MCP servers. */
interface Callable {
  programFunctions?: readonly ToolDeclaration[] | undefined;
  toolServers?: { labels: readonly string[]; tools: readonly ToolDeclaration[]; problems: readonly string[] } | undefined;
}

/** The tool's description for the model, with the operator's limits, the memory of this session and the packages that code can import. */
export function codeTool(limits: Limits, memoryMb: number, packages: readonly string[], callable: Callable = {}): ChatTool {
  return {
    type: "function",
    function: {
      name: TOOL_NAME,
      description: [
        "Runs Python code in an isolated sandbox and returns what it prints, the value of its last expression, figures, tables, files it",
        "leaves in the working folder /mnt/data, and errors with their traceback. Variables, imports and files stay for the next call of this",
        `conversation as long as its sandbox lives. Each call may take ${limits.runTimeoutMsMax / 1000} seconds and ${memoryMb} MiB of memory.`,
        `At most ${limits.filesOutCountMax} files are returned per call. There is no network and nothing can be installed. Besides the standard`,
        `library there are: ${packages.join(", ")}.`,
        ...functionsText(callable.programFunctions ?? []),
        ...serversText(callable.toolServers),
      ].join(" "),
      parameters: {
        type: "object",
        properties: { code: { type: "string", description: "Python source, run as one notebook cell" } },
        required: ["code"],
        additionalProperties: false,
      },
    },
  };
}

/** Above this many functions, `help` in the code shows the rest of their descriptions. */
const DESCRIBED_MAX = 20;

/** The caller's functions as signatures, which take a fraction of the tokens of their schemas. */
function functionsText(functions: readonly ToolDeclaration[]): string[] {
  if (functions.length === 0) return [];
  return [
    "The code can call these functions of the user's application without an import, also from threads; each returns a JSON value, and",
    `raises ToolError when it fails. help(name) describes one.\n${linesOf(functions)}`,
  ];
}

function serversText(servers: Callable["toolServers"]): string[] {
  if (servers === undefined) return [];
  const { labels, tools, problems } = servers;
  return [
    `The code can call tools of ${labels.join(", ")} without an import, also from threads; each returns a JSON value or text, and raises`,
    `ToolError when it fails. help(label.name) describes one.\n${[linesOf(tools), ...problems].filter((line) => line !== "").join("\n")}`,
  ];
}

function linesOf(functions: readonly ToolDeclaration[]): string {
  return functions
    .map((one) => {
      const first = functions.length > DESCRIBED_MAX ? "" : (one.description?.trim().split("\n", 1)[0] ?? "");
      return `${signatureOf(one)}${first === "" ? "" : `: ${first}`}`;
    })
    .join("\n");
}

function signatureOf({ name, parameters }: ToolDeclaration): string {
  const properties = Object.entries((parameters?.properties ?? {}) as Record<string, { type?: unknown }>);
  const required = Array.isArray(parameters?.required) ? parameters.required : [];
  const shown = properties.map(([property, schema]) => {
    const type = typeof schema?.type === "string" ? `: ${schema.type}` : "";
    return `${property}${type}${required.includes(property) ? "" : " = ..."}`;
  });
  return `${name}(${shown.join(", ")})`;
}

/** System text after the caller's own instructions, while the tool is offered. */
export function toolInstructions(mode: "auto" | "on"): string {
  const when =
    mode === "on"
      ? "Run code with the code_interpreter tool before you answer."
      : "Use the code_interpreter tool whenever an exact computation, data analysis, a chart or work on a file is needed.";
  return `${when} Print what you need to see. Files belong in /mnt/data; name those you made for the user in your answer, by file name.`;
}

export const notes = {
  runCodeFirst: `You have not run code yet. Call the tool ${TOOL_NAME} now, with the argument {"code": "..."}; answer only after you have seen its result.`,
  toolIsOff: "There is no code tool in this conversation. Answer in text, without calling tools.",
  noMoreCalls: "The bound of tool calls for this response is reached. Answer now, in text, with what you have.",
  badArguments: 'The code was not run: the arguments were not a JSON object like {"code": "..."}. Call the tool again.',
  programGone: "The program had ended before its functions were answered, so their answers were lost. Run it again if it is still needed.",
  otherProgramWaits: "The code was not run: an earlier call waits for functions of the user's application. Call the tool again.",
  emptyCode: "The code was not run: it was empty.",
  callBound: "The code was not run: the bound of tool calls for this response is reached.",
  replacedEmpty: "The earlier sandbox is gone: its variables, imports and files no longer exist. This code ran in a new one.",
  replacedWithFiles:
    "The earlier sandbox is gone: its variables and imports no longer exist; its files were put into the new one, where this code ran.",
} as const;

export function unknownTool(name: string): string {
  return `There is no tool ${JSON.stringify(name.slice(0, 64))}.`;
}

export function codeTooLong(bytesMax: number): string {
  return `The code was not run: it has more than ${bytesMax} bytes.`;
}

/** Added to a message that names files. */
export function filesNote(names: readonly string[], inFolder: boolean): string {
  const list = names.map((name) => JSON.stringify(name)).join(", ");
  return inFolder ? `[Files in /mnt/data: ${list}]` : `[Attached files, which cannot be opened here: ${list}]`;
}
