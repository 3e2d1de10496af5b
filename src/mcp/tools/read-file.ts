import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { ServiceError } from "../../domain/errors.ts";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { fileName } from "../../domain/request.ts";
import { linkOf } from "../content.ts";
import type { StoredFile } from "../interpreter.ts";
import { base64Of, bytesOf, imageTypes, textOf } from "../read-bytes.ts";
import type { ToolDeps } from "../tool-deps.ts";
import { runTool, toolResult } from "../tool-result.ts";

const inputSchema = z
  .strictObject({
    file_id: z.string().regex(fileIdPattern, "must be a file id").optional(),
    session: z
      .string()
      .regex(containerIdPattern, "must be a session's id")
      .optional()
      .describe("with `path`: the session that has the file"),
    path: fileName.optional().describe("relative to the session's working folder"),
    offset: z.int().min(0).default(0).describe("byte at which to start reading a text"),
  })
  .refine((named) => (named.file_id !== undefined) !== (named.session !== undefined && named.path !== undefined), {
    message: "must have either file_id, or session and path",
  });

export function addReadFile(server: McpServer, deps: ToolDeps, description: string): void {
  server.registerTool(
    "read_file",
    { title: "Read a file", description, inputSchema, annotations: { readOnlyHint: true, openWorldHint: false } },
    (input) => runTool(deps.log, async () => contentOf(await fileOf(input, deps), input.offset, deps)),
  );
}

async function fileOf({ file_id: id, session, path }: z.infer<typeof inputSchema>, { interpreter }: ToolDeps): Promise<StoredFile> {
  if (id !== undefined) {
    const file = await interpreter.getFile(id);
    if (file === null) throw new ServiceError("file_not_found", { detail: `There is no file ${id}; use list_files to see all files.` });
    return file;
  }
  const found = (await interpreter.sessionFiles(session ?? "")).find((file) => file.name === path);
  if (found === undefined)
    throw new ServiceError("file_not_found", { detail: `The session has no file of this name; use list_files to see all files.` });
  return found;
}

async function contentOf(file: StoredFile, offset: number, { interpreter, limits }: ToolDeps): Promise<CallToolResult> {
  const link = linkOf(file.id, file.name, file.mimeType, file.bytes);
  if (imageTypes.has(file.mimeType)) {
    const data = file.bytes > limits.toolImageBytesMax ? null : await base64Of(file, interpreter);
    if (data !== null) return toolResult({ type: "image", data, mimeType: file.mimeType });
  }
  if (offset > file.bytes)
    throw new ServiceError("invalid_field", { detail: `\`offset\`: must be at most ${file.bytes}.`, param: "offset" });
  const end = Math.min(offset + limits.toolTextCharsMax, file.bytes);
  const bytes = await bytesOf(file, { start: offset, end: end - 1 }, interpreter);
  if (bytes === null) throw new ServiceError("file_not_found", { detail: "The file has expired." });
  const decoded = textOf(bytes, { start: offset > 0, end: end < file.bytes });
  if (decoded === null) return toolResult(`${file.name} is not a text: ${file.mimeType}, ${file.bytes} bytes.`, link);
  if (end === file.bytes && offset === 0) return toolResult(decoded.text);
  const [first, next] = [offset + decoded.start, offset + decoded.end];
  const more = next < file.bytes ? ` The next part begins at offset ${next}.` : "";
  return toolResult(decoded.text, `[bytes ${first} to ${next - 1} of ${file.bytes}.${more}]`);
}
