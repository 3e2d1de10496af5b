/** Maps of the values with free keys, by their path. */
const FREE = [/\bsettings$/, /\w+Labels$/, /[rR]esources$/, /worker\.size$/, /nnotations$/];
/** A number, or a share such as 25%. */
const COUNTS = /\.(minAvailable|maxUnavailable|maxSurge)$/;

/** A JSON schema of the chart's values, from their defaults: a key that is not there, or of another type, is refused. */
export function schemaOf(value, path = "") {
  if (Array.isArray(value)) return { type: "array" };
  if (COUNTS.test(path)) return { type: ["integer", "string"] };
  if (typeof value === "string") return { type: "string" };
  if (typeof value === "boolean") return { type: "boolean" };
  if (typeof value === "number") return { type: "integer" };
  const names = Object.keys(value);
  if (names.length === 0 || FREE.some((pattern) => pattern.test(path))) return { type: "object" };
  const properties = Object.fromEntries(names.map((name) => [name, schemaOf(value[name], path === "" ? name : `${path}.${name}`)]));
  // Helm adds `global` to the values of every chart.
  return {
    type: "object",
    additionalProperties: false,
    properties: path === "" ? { ...properties, global: { type: "object" } } : properties,
  };
}
