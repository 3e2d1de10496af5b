/** A call that a model wrote into its text. */
export interface WrittenCall {
  name: string;
  arguments: string;
}

/**
 * Reads the inside of a `<tool_call>`: `{"name": …, "arguments": …}`, or `<function=name><parameter=key>value</parameter></function>`.
 * Null when it is neither.
 */
export function writtenCall(text: string): WrittenCall | null {
  return fromJson(text.trim().replace(/<\/tool_call>$/, "")) ?? fromTags(text);
}

function fromJson(text: string): WrittenCall | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { name, arguments: given, parameters } = value as Record<string, unknown>;
  const values = given ?? parameters ?? {};
  if (typeof name !== "string") return null;
  return { name, arguments: typeof values === "string" ? values : JSON.stringify(values) };
}

function fromTags(text: string): WrittenCall | null {
  const name = /<function=([^>\s]+)>/.exec(text)?.[1];
  if (name === undefined) return null;
  const parameters = [...text.matchAll(/<parameter=([^>\s]+)>\n?([\s\S]*?)\n?<\/parameter>/g)];
  return { name, arguments: JSON.stringify(Object.fromEntries(parameters.map(([, key, value]) => [key, value]))) };
}
