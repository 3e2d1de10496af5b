import type { Tool } from "@modelcontextprotocol/client";
import { isTakenName, type ServerTool } from "../domain/tools.ts";
import type { ServerSettings } from "./settings.ts";

const NAME_CHARS_MAX = 64;
/** Beyond this, a server's list is cut. An operator names the tools that are needed. */
const TOOLS_MAX = 512;

/** The tools of a server that code may call, in the server's order, with the names that the code uses. */
export function declaredTools({ label, allowed, readOnly }: ServerSettings, listed: readonly Tool[]): ServerTool[] {
  const taken = new Set<string>();
  return listed
    .filter((tool) => (allowed === null || allowed.has(tool.name)) && (!readOnly || isReadOnly(tool)))
    .slice(0, TOOLS_MAX)
    .map((tool) => {
      const name = unusedName(pythonName(tool.name), taken);
      taken.add(name);
      const { description, inputSchema } = tool;
      return { name: `${label}.${name}`, tool: tool.name, description, parameters: { ...inputSchema }, readOnly: isReadOnly(tool) };
    });
}

/** Without the annotation, a tool may have effects. */
function isReadOnly(tool: Tool): boolean {
  return tool.annotations?.readOnlyHint === true;
}

/** `get-issue.v2` → `get_issue_v2`. */
function pythonName(name: string): string {
  const plain = name
    .replace(/[^A-Za-z0-9_]/g, "_")
    .replace(/^_+(?=.)/, "")
    .slice(0, NAME_CHARS_MAX - 4);
  if (plain === "" || /^[0-9]/.test(plain)) return `tool_${plain}`;
  return isTakenName(plain) ? `${plain}_` : plain;
}

function unusedName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const one = number === 1 ? name : `${name}_${number}`;
    if (!taken.has(one)) return one;
  }
}

/** As many tools as fit into `bytesMax` as JSON: whole ones first, then their names alone. */
export function fittingTools(tools: readonly ServerTool[], bytesMax: number): ServerTool[] {
  let left = bytesMax;
  return tools.flatMap((tool) => {
    const { name, tool: original, readOnly } = tool;
    const forms: ServerTool[] = [tool, { name, tool: original, readOnly }];
    for (const form of forms) {
      const bytes = Buffer.byteLength(JSON.stringify(form)) + 1;
      if (bytes > left) continue;
      left -= bytes;
      return [form];
    }
    return [];
  });
}
