import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { makeLimits } from "../../../src/domain/limits.ts";
import { makeOpenApi } from "../../../src/http/openapi.ts";

interface Operation {
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

export const openApi = makeOpenApi({ limits: makeLimits(), publicUrl: undefined });
const paths = openApi.paths as unknown as Record<string, Record<string, Operation>>;

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: "openapi", components: openApi.components });
const validators = new Map<string, ValidateFunction>();

/**
 * Fails unless the document describes this response: call, status, content type and JSON body. `pathTemplate` is as in the
 * document: `/v1/files/{id}`.
 */
export function expectMatchesOpenApi(
  method: string,
  pathTemplate: string,
  status: number,
  contentType: string | null,
  body: unknown,
): void {
  const operation = paths[pathTemplate]?.[method.toLowerCase()];
  const call = `${method.toUpperCase()} ${pathTemplate}`;
  if (operation === undefined) throw new Error(`${call} is not in the document`);
  const response = operation.responses[String(status)];
  if (response === undefined) throw new Error(`${call} may not answer ${status}: ${JSON.stringify(body)}`);
  if (response.content === undefined) {
    if (contentType !== null) throw new Error(`${call} ${status} has no body in the document, but was ${contentType}`);
    return;
  }
  const mediaType = (contentType ?? "").split(";")[0]?.trim() ?? "";
  const media = response.content[mediaType] ?? response.content["*/*"];
  if (media === undefined) throw new Error(`${call} ${status} may not be ${mediaType}`);
  if (!/json$/.test(mediaType) || response.content[mediaType] === undefined) return;
  expectMatchesSchema(`${call} ${status} ${mediaType}`, media.schema, body);
}

/** Fails unless a body matches a schema of the document. Each name has one schema. */
export function expectMatchesSchema(name: string, schema: object, body: unknown): void {
  const validate = validatorOf(name, schema);
  if (!validate(body)) throw new Error(`${name} differs from the document: ${ajv.errorsText(validate.errors)}`);
}

function validatorOf(name: string, schema: object): ValidateFunction {
  const known = validators.get(name);
  if (known !== undefined) return known;
  const made = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/')));
  validators.set(name, made);
  return made;
}
