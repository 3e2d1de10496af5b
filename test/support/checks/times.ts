/** Members whose content the caller or user code chose. */
const FOREIGN = new Set(["metadata", "outputs", "arguments"]);

/**
 * Paths of the times in an answer that are not Unix seconds. A time in seconds has ten digits until the year 2286; one in
 * milliseconds has thirteen.
 */
export function wrongTimes(answer: unknown, path = ""): string[] {
  if (typeof answer !== "object" || answer === null) return [];
  return Object.entries(answer).flatMap(([name, value]) => {
    const at = path === "" ? name : `${path}.${name}`;
    if (FOREIGN.has(name)) return [];
    if (name.endsWith("_at") && typeof value === "number" && (value < 1e9 || value >= 1e10)) return [`${at} = ${value}`];
    return wrongTimes(value, at);
  });
}

/** Fails when a time in an answer is not in seconds. */
export function expectSeconds(answer: unknown): void {
  const wrong = wrongTimes(answer);
  if (wrong.length > 0) throw new Error(`times must be Unix seconds: ${wrong.join(", ")}`);
}
