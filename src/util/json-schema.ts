import { isDeepStrictEqual } from "node:util";

/**
 * Checks a value against a JSON Schema of a caller, in bounded time. Schema and value come from different strangers, and packages
 * for this run the schema's patterns and references without a bound. Knows `type`, `enum`, `const`, bounds of numbers and lengths,
 * `properties`, `required`, `additionalProperties`, `items`, `allOf`, `anyOf`, `oneOf` (at least one) and `$ref` inside the schema.
 * Other keywords are ignored.
 */
export function schemaProblem(schema: unknown, value: unknown): string | null {
  try {
    return new Check(schema).problem(schema, value, "");
  } catch (error) {
    if (error instanceof TooComplex) return "cannot be checked: schema and value are too complex together";
    throw error;
  }
}

const STEPS_MAX = 200_000;
const DEPTH_MAX = 128;

class TooComplex extends Error {}

class Check {
  readonly #root: unknown;
  #steps = 0;
  #depth = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  problem(schema: unknown, value: unknown, path: string): string | null {
    this.#steps += 1;
    if (this.#steps > STEPS_MAX || this.#depth > DEPTH_MAX) throw new TooComplex();
    if (schema === false) return `${path || "the value"} is not allowed`;
    if (!isObject(schema)) return null;
    this.#depth += 1;
    try {
      return (
        this.#referenceProblem(schema, value, path) ??
        this.#typeProblem(schema, value, path) ??
        this.#boundsProblem(schema, value, path) ??
        this.#partsProblem(schema, value, path) ??
        this.#combinationProblem(schema, value, path)
      );
    } finally {
      this.#depth -= 1;
    }
  }

  #referenceProblem({ $ref }: JsonObject, value: unknown, path: string): string | null {
    if (typeof $ref !== "string" || !$ref.startsWith("#")) return null;
    let target: unknown = this.#root;
    for (const part of $ref.split("/").slice(1)) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target = (isObject(target) || Array.isArray(target)) && Object.hasOwn(target, name) ? (target as JsonObject)[name] : undefined;
    }
    return this.problem(target, value, path);
  }

  #typeProblem({ type, enum: allowed, const: only }: JsonObject, value: unknown, path: string): string | null {
    const names = typeof type === "string" ? [type] : Array.isArray(type) ? type : [];
    if (names.length > 0 && !names.some((name) => isOfType(value, name))) return `${path || "the value"} must be ${names.join(" or ")}`;
    this.#steps += Array.isArray(allowed) ? allowed.length : 0;
    if (Array.isArray(allowed) && !allowed.some((one) => isDeepStrictEqual(one, value)))
      return `${path || "the value"} must be one of its enum`;
    if (only !== undefined && !isDeepStrictEqual(only, value)) return `${path || "the value"} must be its const`;
    return null;
  }

  #boundsProblem(schema: JsonObject, value: unknown, path: string): string | null {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, minItems, maxItems } = schema;
    const outside = (size: number, least: unknown, most: unknown) =>
      (typeof least === "number" && size < least) || (typeof most === "number" && size > most);
    const onBound = (number: number) =>
      (typeof exclusiveMinimum === "number" && number <= exclusiveMinimum) ||
      (typeof exclusiveMaximum === "number" && number >= exclusiveMaximum);
    if (typeof value === "number" && (outside(value, minimum, maximum) || onBound(value))) return `${path || "the value"} is out of bounds`;
    if (typeof value === "string" && outside(value.length, minLength, maxLength))
      return `${path || "the value"} has a length out of bounds`;
    if (Array.isArray(value) && outside(value.length, minItems, maxItems)) return `${path || "the value"} has a length out of bounds`;
    return null;
  }

  #partsProblem(schema: JsonObject, value: unknown, path: string): string | null {
    if (Array.isArray(value)) {
      return schema.items === undefined ? null : first(value, (item, at) => this.problem(schema.items, item, `${path}[${at}]`));
    }
    if (!isObject(value)) return null;
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = Array.isArray(schema.required) ? schema.required : [];
    this.#steps += required.length;
    const missing = required.find((name) => !Object.hasOwn(value, String(name)));
    if (missing !== undefined) return `${path || "the value"} lacks ${String(missing)}`;
    return first(Object.entries(value), ([name, member]) => {
      const of = Object.hasOwn(properties, name) ? properties[name] : (schema.additionalProperties ?? true);
      return this.problem(of, member, path === "" ? name : `${path}.${name}`);
    });
  }

  #combinationProblem({ allOf, anyOf, oneOf }: JsonObject, value: unknown, path: string): string | null {
    if (Array.isArray(allOf)) {
      const problem = first(allOf, (one) => this.problem(one, value, path));
      if (problem !== null) return problem;
    }
    for (const choices of [anyOf, oneOf]) {
      if (!Array.isArray(choices) || choices.some((one) => this.problem(one, value, path) === null)) continue;
      return `${path || "the value"} matches none of its choices`;
    }
    return null;
  }
}

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOfType(value: unknown, name: unknown): boolean {
  switch (name) {
    case "string":
    case "boolean":
    case "number":
      return typeof value === name;
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "null":
      return value === null;
    default:
      return true;
  }
}

function first<T>(list: readonly T[], problemOf: (item: T, at: number) => string | null): string | null {
  for (const [at, item] of list.entries()) {
    const problem = problemOf(item, at);
    if (problem !== null) return problem;
  }
  return null;
}
