/** The operator's limits from the API document; nulls when it cannot be read. */
export async function readLimits() {
  const response = await fetch("/openapi.json").catch(() => null);
  if (response === null || !response.ok) return { timeoutMs: null, memoryMb: null };
  const document = await response.json();
  const body = document.paths?.["/v1/executions"]?.post?.requestBody?.content?.["application/json"]?.schema;
  const properties = resolve(body, document)?.properties ?? {};
  return { timeoutMs: properties.timeout_ms?.maximum ?? null, memoryMb: properties.memory_mb?.maximum ?? null };
}

function resolve(schema, document) {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? "")?.[1];
  return name === undefined ? schema : document.components?.schemas?.[name];
}
