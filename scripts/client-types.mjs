import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import openapiTS, { astToString } from "openapi-typescript";
import { ensurePythonTools } from "./setup/python-tools.mjs";

/** Writes the types of the API for the clients of clients/, from the OpenAPI document. Needs `npm run build`. */
const root = fileURLToPath(new URL("..", import.meta.url));
export const typesFile = join(root, "clients/typescript/src/generated.ts");
export const pythonTypesFile = join(root, "clients/python/code_interpreter_client/_types.py");

/** Only the schemas: the client knows the paths that it uses. */
export async function clientTypes({ components, ...document }) {
  const { schemas } = components;
  const text = astToString(await openapiTS({ ...document, paths: {}, components: { schemas } }));
  return `// Written by \`npm run client-types\`.\n${text}`;
}

/** The schemas of what a run returns, as typed dictionaries. */
export async function pythonClientTypes(document) {
  const bin = await ensurePythonTools({ root, group: "client-types", progress: () => {} });
  const folder = await mkdtemp(join(tmpdir(), "client-types-"));
  try {
    const [input, output] = [join(folder, "api.json"), join(folder, "types.py")];
    await writeFile(
      input,
      JSON.stringify({ openapi: "3.1.0", info: document.info, paths: {}, components: { schemas: runSchemas(document) } }),
    );
    const options = ["--input-file-type", "openapi", "--output-model-type", "typing.TypedDict", "--target-python-version", "3.11"];
    const style = ["--use-union-operator", "--enum-field-as-literal", "all", "--disable-timestamp", "--formatters", "black", "isort"];
    await promisify(execFile)(join(bin, "datamodel-codegen"), ["--input", input, "--output", output, ...options, ...style]);
    const [, ...lines] = (await readFile(output, "utf8")).split(/^(?=from __future__)/m);
    return `# Written by \`npm run client-types\`.\n# ruff: noqa\n${lines.join("")}`;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Executions, their events, and what they refer to. Readers accept fields that newer services add. */
function runSchemas({ components }) {
  const chosen = {};
  const take = (name) => {
    if (name in chosen) return;
    chosen[name] = open(components.schemas[name]);
    for (const [, other] of JSON.stringify(chosen[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g)) take(other);
  };
  for (const name of ["Execution", "ExecutionEvent"]) take(name);
  chosen.EventEnded.properties.execution = { $ref: "#/components/schemas/Execution" };
  return chosen;
}

function open(schema) {
  return JSON.parse(JSON.stringify(schema), (key, value) => (key === "additionalProperties" && value === false ? undefined : value));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [{ makeOpenApi }, { makeLimits }] = await Promise.all([import("../dist/http/openapi.js"), import("../dist/domain/limits.js")]);
  const document = makeOpenApi({ limits: makeLimits(), publicUrl: undefined });
  await writeFile(typesFile, await clientTypes(document));
  await writeFile(pythonTypesFile, await pythonClientTypes(document));
}
