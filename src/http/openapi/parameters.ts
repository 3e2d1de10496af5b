/** Descriptions of parameters whose schemas have none, by name. */
const described: Readonly<Record<string, string>> = {
  after: "id of the last item of the page before",
  file_id: "id of the file",
  item_id: "id of the item",
  include: "parts of items that are left out by default, as in OpenAI's API",
  name: "only those of this name",
  purpose: "only those of this purpose",
  stream: "whether to answer with the events instead",
  "If-None-Match": "`ETag` of the caller's copy; when it is current, the response is 304",
  "If-Range": "`ETag` of the caller's copy; when it is no longer current, the response has all bytes",
  "Last-Event-ID": "id of the last received event",
  Range: "one range of bytes, as in `bytes=0-1023`",
};

/** `id` is that of the resource in the path: `/v1/executions/{id}/events` has that of an execution. */
export function describeParameter(name: string, path: string): string | undefined {
  if (name !== "id") return described[name];
  const resource = /^\/v1\/(\w+)s\/\{id\}/.exec(path)?.[1];
  return resource === undefined ? undefined : `id of the ${resource}`;
}
