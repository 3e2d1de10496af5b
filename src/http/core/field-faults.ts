import { z } from "zod";
import { editDistance } from "../../domain/edit-distance.ts";

/** One fault of a request: the field as a path, and the rule that it breaks, in our words. */
export interface Fault {
  param: string;
  /** True when the schema has no such field. Then the message is the name that was probably meant. */
  isUnknown: boolean;
  message: string;
}

const FAULTS_MAX = 20;
/** Text that was probably meant as a number. Other text in a wrong place may be a secret. */
const NUMBER = /^[+-]?\d{1,20}(\.\d{1,20})?$/;

/** All faults that a schema found, the first of each field, unknown fields before others. */
export function faultsOf(error: z.ZodError, schema: z.ZodType, value: unknown): Fault[] {
  const faults = new Map<string, Fault>();
  for (const issue of error.issues) {
    for (const fault of faultsOfIssue(issue, schema, value)) if (!faults.has(fault.param)) faults.set(fault.param, fault);
    if (faults.size >= FAULTS_MAX) break;
  }
  return [...faults.values()].sort((one, other) => Number(other.isUnknown) - Number(one.isUnknown));
}

type Issue = z.core.$ZodIssue;

function faultsOfIssue(issue: Issue, schema: z.ZodType, value: unknown): Fault[] {
  const param = pathText(issue.path);
  const given = valueAt(value, issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = namesAt(schema, issue.path);
    return issue.keys.map((key) => {
      const name = pathText([...issue.path, key]);
      const meant = nearest(key, known);
      return { param: name, isUnknown: true, message: meant === null ? "" : `Did you mean \`${meant}\`?` };
    });
  }
  return [{ param, isUnknown: false, message: ruleOf(issue, given) }];
}

/** The rule in our words. Messages that a schema has itself are ours already. */
function ruleOf(issue: Issue, given: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      if (given === undefined) return "is required";
      return `must be ${nounOf(issue.expected)}, not ${typeof given === "string" && !NUMBER.test(given) ? "text" : shownValue(given)}`;
    case "too_big":
      if (issue.origin === "number" || issue.origin === "int") return `is ${shownValue(given)}; at most ${issue.maximum}`;
      return `has ${sizeOf(given)} ${unitOf(issue.origin)}; at most ${issue.maximum}`;
    case "too_small":
      if (issue.origin === "number" || issue.origin === "int") return `is ${shownValue(given)}; at least ${issue.minimum}`;
      return sizeOf(given) === 0 ? "must not be empty" : `has ${sizeOf(given)} ${unitOf(issue.origin)}; at least ${issue.minimum}`;
    case "invalid_value":
      if (given === undefined) return "is required";
      return `must be ${listed(issue.values.map((one) => JSON.stringify(one)))}, not ${shownValue(given)}`;
    case "invalid_format":
      return issue.format === "base64" ? "must be base64" : issue.format === "url" ? "must be a URL" : issue.message;
    case "invalid_union":
      if (given === undefined) return "is required";
      if (issue.discriminator !== undefined && "options" in issue && Array.isArray(issue.options))
        return `must be ${listed(issue.options.map((one) => JSON.stringify(one)))}, not ${shownValue(given)}`;
      return issue.message === "Invalid input" ? "has none of the permitted forms" : issue.message;
    case "invalid_key":
    case "invalid_element":
      return issue.issues[0]?.message ?? "is invalid";
    default:
      return issue.message;
  }
}

const nouns: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

function nounOf(expected: string): string {
  return nouns[expected] ?? expected;
}

/** A short form of what the caller sent. Text is not repeated: it may be code or a secret. */
function shownValue(given: unknown): string {
  if (given === null) return "null";
  if (typeof given === "number" || typeof given === "boolean") return String(given);
  if (typeof given === "string") return /^[A-Za-z0-9_.:-]{1,32}$/.test(given) ? JSON.stringify(given) : "other text";
  return Array.isArray(given) ? "a list" : "an object";
}

function sizeOf(given: unknown): number {
  if (typeof given === "string" || Array.isArray(given)) return given.length;
  return typeof given === "object" && given !== null ? Object.keys(given).length : 0;
}

function unitOf(origin: string): string {
  return origin === "string" ? "characters" : "entries";
}

function listed(names: readonly string[]): string {
  return names.length === 1 ? (names[0] ?? "") : `one of ${names.join(", ")}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;
  return at;
}

/** Names of the fields at a path of a schema. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const key of path) at = inner(unwrapped(at), key);
  const object = unwrapped(at);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function inner(schema: unknown, key: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return schema.shape[key as string];
  if (schema instanceof z.ZodArray) return schema.element;
  return undefined;
}

function unwrapped(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault) at = at.unwrap();
  return at;
}

/** The name that was probably meant: at most two letters differ, the unit is missing, or the words are spelled otherwise. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > 64) return null;
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const longer = known.filter((one) => plain(name).length >= 4 && plain(one).startsWith(plain(name)));
  if (longer.length === 1) return longer[0] ?? null;
  const ranked = known.map((one) => ({ one, far: editDistance(plain(name), plain(one)) })).sort((a, b) => a.far - b.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.min(2, Math.floor(best.one.length / 3)) ? best.one : null;
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.map((part) => shownName(String(part))).join(".");
}

const NAME_CHARS_SHOWN = 64;

/** Shortens a name from the caller and replaces control characters, so that it is safe to return. */
export function shownName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it replaces
  const clean = name.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "\u{fffd}");
  return clean.length > NAME_CHARS_SHOWN ? `${clean.slice(0, NAME_CHARS_SHOWN)}…` : clean;
}
