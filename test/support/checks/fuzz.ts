import { newId } from "../../../src/domain/ids.ts";

/** A JSON Schema of the OpenAPI document. */
// biome-ignore lint/suspicious/noExplicitAny: schemas of every shape are walked
export type Schema = any;

/** Random numbers from 0 up to 1, reproducible by seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const whole = (max: number) => Math.floor(next() * (max + 1));
  return { chance: (share) => next() < share, whole, pick: (list) => list[whole(list.length - 1)] as never };
}

export interface Random {
  chance(share: number): boolean;
  /** From 0 to max, both included. */
  whole(max: number): number;
  pick<T>(list: readonly T[]): T;
}

const oddStrings = [
  "",
  " ",
  "\u0000",
  "../../etc/passwd",
  "é\u0301",
  "\ud800",
  "💥".repeat(40),
  "a".repeat(70_000),
  "%00",
  "{{}}",
  "\r\nX: y",
  "-1",
  "null",
];
const oddValues: unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  0.1,
  "",
  [],
  {},
  [[]],
  { __proto__: 1, constructor: 2 },
  [null, 1, "x"],
  ...oddStrings,
];

/** A value for a schema: mostly a valid one, otherwise one with an error somewhere. */
export function valueFor(schema: Schema, components: Record<string, Schema>, random: Random, depth = 0): unknown {
  if (random.chance(depth === 0 ? 0.04 : 0.07)) return random.pick(oddValues);
  if (schema === undefined || depth > 8) return random.pick(oddValues);
  if (typeof schema.$ref === "string") return valueFor(components[schema.$ref.split("/").pop() as string], components, random, depth + 1);
  const within = (inner: Schema) => valueFor(inner, components, random, depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return random.pick(schema.enum);
  const choices = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(choices)) return within(random.pick(choices));
  if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map(within));
  const type = Array.isArray(schema.type) ? random.pick<string>(schema.type) : schema.type;
  if (type === "object" || schema.properties !== undefined) return objectFor(schema, random, within);
  if (type === "array") return Array.from({ length: random.whole(Math.min(schema.maxItems ?? 3, 4)) }, () => within(schema.items));
  if (type === "integer" || type === "number") return numberFor(schema, random);
  if (type === "boolean") return random.chance(0.5);
  if (type === "null") return null;
  return stringFor(schema, random);
}

function objectFor(schema: Schema, random: Random, within: (inner: Schema) => unknown): unknown {
  const made: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const wanted = schema.required?.includes(name) ? 0.96 : 0.3;
    if (random.chance(wanted)) made[name] = within(inner);
  }
  const more = typeof schema.additionalProperties === "object";
  for (let left = more ? random.whole(2) : 0; left > 0; left--) made[`k${left}`] = within(schema.additionalProperties);
  if (random.chance(0.04)) made[random.pick(["unknown", "toString", "constructor", ""])] = random.pick(oddValues);
  return made;
}

function numberFor(schema: Schema, random: Random): number {
  const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? 0 : schema.exclusiveMinimum + 1);
  const most = schema.maximum ?? least + 1000;
  return random.pick([least, most, least + random.whole(Math.min(most - least, 1e6)), least - 1, most + 1, least + 0.5]);
}

function stringFor(schema: Schema, random: Random): string {
  if (random.chance(0.15)) return random.pick(oddStrings);
  if (random.chance(0.05)) return "x".repeat(Math.min((schema.maxLength ?? 100) + 1, 200_000));
  const id = /\^\(?(ci|file|cntr|resp|asst)_/.exec(String(schema.pattern))?.[1];
  if (id !== undefined) return wellFormedId(id, random);
  return random.pick(["print(1)", "a.csv", "https://example.invalid/hook", "1", "auto", "aGk=", "hello world"]);
}

const idKinds = { ci: "execution", file: "file", cntr: "container" } as const;

export function wellFormedId(prefix: string, random: Random): string {
  const known = (idKinds as Record<string, "execution" | "file" | "container">)[prefix];
  if (known !== undefined) return newId(known);
  return `${prefix}_${Array.from({ length: 24 }, () => random.pick([..."0123456789abcdef"])).join("")}`;
}

/** The text of a JSON body, sometimes an invalid one. */
export function jsonText(value: unknown, random: Random): string {
  const text = JSON.stringify(value) ?? "";
  if (!random.chance(0.08)) return text;
  return random.pick([
    text.slice(0, random.whole(text.length)),
    `${text}x`,
    "[".repeat(20_000),
    `{"a":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
    `{"code":"1","code":"2"}`,
    '{"__proto__":{"code":"1"},"code":"1"}',
    `\ufeff${text}`,
    "",
  ]);
}

/** A multipart body and its content type, intact or damaged. */
export function multipart(random: Random): { contentType: string; body: string } {
  const boundary = random.pick(["b", "x".repeat(70), "a b", "ü"]);
  const name = random.pick([
    'name="file"; filename="a.csv"',
    'name="file"',
    'name="purpose"',
    'filename="a"',
    'name=""',
    "name*=UTF-8''file",
    `name="${"n".repeat(5_000)}"`,
  ]);
  const file = random.pick(["a.csv", "../../x", 'a"b', "\u0000", "n".repeat(300), "é.txt", ""]);
  const parts = [
    `Content-Disposition: form-data; name="file"; filename="${file}"\r\nContent-Type: text/csv\r\n\r\na,b\r\n1,2`,
    `Content-Disposition: form-data; ${name}\r\n\r\nuser_data`,
    'Content-Disposition: form-data; name="purpose"\r\n\r\nuser_data',
    `Content-Disposition: form-data; name="purpose"\r\n\r\n${"p".repeat(3_000)}`,
    "no headers at all",
    "",
  ];
  const chosen = [parts[0], ...Array.from({ length: random.whole(3) }, () => random.pick(parts))].slice(random.chance(0.2) ? 1 : 0);
  const whole = `${chosen.map((part) => `--${boundary}\r\n${part}\r\n`).join("")}--${boundary}--\r\n`;
  const body = random.chance(0.25) ? whole.slice(0, random.whole(whole.length)) : whole;
  const contentType = random.chance(0.9)
    ? `multipart/form-data; boundary="${boundary.replace("ü", "u")}"`
    : random.pick(["multipart/form-data", "multipart/mixed; boundary=b", "text/plain"]);
  return { contentType, body };
}
