import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

/** Writes the types of the API for the TypeScript client, from the OpenAPI document. Needs `npm run build`. */
export const typesFile = fileURLToPath(new URL("../clients/typescript/src/generated.ts", import.meta.url));

/** Only the schemas: the client knows the paths that it uses. */
export async function clientTypes({ components, ...document }) {
  const { schemas } = components;
  const text = astToString(await openapiTS({ ...document, paths: {}, components: { schemas } }));
  return `// Written by \`npm run client-types\`.\n${text}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [{ makeOpenApi }, { makeLimits }] = await Promise.all([import("../dist/http/openapi.js"), import("../dist/domain/limits.js")]);
  await writeFile(typesFile, await clientTypes(makeOpenApi({ limits: makeLimits(), publicUrl: undefined })));
}
