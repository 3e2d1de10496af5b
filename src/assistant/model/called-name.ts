import { TOOL_NAME } from "./prompt.ts";

/** Names by which models call a code tool that they know from elsewhere. */
const aliases = new Set([
  "code",
  "codeinterpreter",
  "execute",
  "execute_code",
  "execute_python",
  "execute_python_code",
  "ipython",
  "jupyter",
  "python",
  "python3",
  "python_code",
  "python_exec",
  "python_interpreter",
  "python_repl",
  "run_code",
  "run_python",
  "run_python_code",
]);

/** The offered tool that a model means by a name; null when it means none. An exact name always wins. */
export function calledName(name: string, offered: ReadonlySet<string>): string | null {
  if (offered.has(name)) return name;
  // `functions.name`, `default_api:name`, and control tokens after it.
  const bare =
    name
      .replace(/<\|.*$/s, "")
      .trim()
      .split(/[.:/]/)
      .at(-1) ?? "";
  if (offered.has(bare)) return bare;
  const plain = bare.toLowerCase().replace(/[^a-z0-9]+/g, "_");
  return offered.has(TOOL_NAME) && (plain === TOOL_NAME || aliases.has(plain)) ? TOOL_NAME : null;
}
