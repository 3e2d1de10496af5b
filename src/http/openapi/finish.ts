import { describedOperations } from "./operations.ts";
import { describeParameter } from "./parameters.ts";

/** Parts of an OpenAPI document as far as they are changed here. */
type Json = Record<string, unknown>;
interface Document {
  paths?: unknown;
  components?: { schemas?: Record<string, unknown> | undefined } | undefined;
}
interface Operation extends Json {
  summary?: string;
  parameters?: Array<{ name: string; description?: string; schema?: Json }>;
  responses: Record<string, { content?: Record<string, { schema?: Json; example?: unknown }> }>;
}

/**
 * Makes the generated document fit for generators of clients. Operations get ids; what the generator writes out at each use becomes a
 * named component with a discriminator; bodies get examples; defaults of requests move into the descriptions, because generators make
 * fields with a default required.
 */
export function finishOpenApi<D extends Document>(document: D, examples: Readonly<Record<string, unknown>>): D {
  const schemas = document.components?.schemas ?? {};
  nameUnion(document, schemas, { name: "Output", of: ["Execution", "outputs"] });
  nameUnion(document, schemas, { name: "Event", of: ["ExecutionEvent"] });
  withoutDefaults(document);
  const paths = document.paths as Record<string, Record<string, Operation>>;
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const known = describedOperations[`${method} ${path}`];
      if (known !== undefined) operation.operationId ??= known.id;
      operation.description ??= known?.description ?? `${operation.summary}.`;
      operation.security ??= [];
      for (const parameter of operation.parameters ?? []) {
        const described = (parameter.schema?.description as string | undefined) ?? describeParameter(parameter.name, path);
        if (described !== undefined) parameter.description ??= described;
      }
      for (const response of Object.values(operation.responses)) {
        const media = response.content?.["application/json"];
        if (media !== undefined) media.example ??= exampleOf(media.schema, examples) ?? known?.example;
      }
    }
  }
  return document;
}

/** Makes each member of a union a component `<name><Type>`, and the union itself one, wherever they occur. */
function nameUnion(document: Document, schemas: Record<string, unknown>, { name, of }: { name: string; of: readonly string[] }): void {
  const [component = "", property] = of;
  const holder = schemas[component] as { properties?: Record<string, Json> } & Json;
  const union = (property === undefined ? holder : (holder.properties?.[property]?.items ?? {})) as Json;
  const members = (union.oneOf ?? union.anyOf) as Json[] | undefined;
  if (members === undefined) throw new Error(`the document has no union at ${of.join(".")}`);
  const names = new Map<string, string>();
  const mapping: Record<string, string> = {};
  const named: Record<string, Json> = {};
  for (const member of members) {
    const type = typeNameOf(member);
    const own = name + pascal(type.split(".").at(-1) ?? type);
    mapping[type] = `#/components/schemas/${own}`;
    names.set(JSON.stringify(member), own);
    named[own] = member;
  }
  const whole = { oneOf: Object.values(mapping).map(($ref) => ({ $ref })), discriminator: { propertyName: "type", mapping } };
  names.set(JSON.stringify(union), name);
  // Bottom-up: a member is replaced before the union that holds it is compared.
  replaceAll(document, names);
  if (property === undefined) schemas[component] = whole;
  else schemas[name] = whole;
  Object.assign(schemas, named);
}

function typeNameOf(member: Json): string {
  const type = (member.properties as { type?: { enum?: string[]; const?: string } } | undefined)?.type;
  return type?.const ?? type?.enum?.[0] ?? "";
}

function pascal(text: string): string {
  return text.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Replaces what equals a named schema by a reference to it. */
function replaceAll(value: unknown, names: ReadonlyMap<string, string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const name = typeof member === "object" && member !== null ? names.get(JSON.stringify(member)) : undefined;
    if (name === undefined) replaceAll(member, names);
    else (value as Json)[key] = { $ref: `#/components/schemas/${name}` };
  }
}

function withoutDefaults(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const schema = value as Json;
  if ("default" in schema && ("type" in schema || "enum" in schema)) {
    const text = `default: ${JSON.stringify(schema.default)}`;
    schema.description = typeof schema.description === "string" ? `${schema.description}; ${text}` : text;
    delete schema.default;
  }
  for (const member of Object.values(schema)) withoutDefaults(member);
}

/** The example of a named schema, or of a list of one. */
function exampleOf(schema: Json | undefined, examples: Readonly<Record<string, unknown>>): unknown {
  const name = refName(schema);
  if (name !== null) return examples[name];
  const properties = schema?.properties as Record<string, Json> | undefined;
  if (properties?.deleted !== undefined) return { id: "…", object: typeNameOf({ properties: { type: properties.object } }), deleted: true };
  const item = refName(properties?.data?.items as Json | undefined);
  if (item === null || properties?.has_more === undefined) return undefined;
  const example = examples[item] as { id?: string } | undefined;
  const id = example?.id ?? null;
  return example === undefined ? undefined : { object: "list", data: [example], has_more: false, first_id: id, last_id: id };
}

function refName(schema: Json | undefined): string | null {
  return typeof schema?.$ref === "string" ? (schema.$ref.split("/").at(-1) ?? null) : null;
}
