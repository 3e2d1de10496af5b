import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { markdownRows } from "../../readable/markdown-table.ts";
import type { FilesPage, StoredFile } from "../interpreter.ts";
import type { ToolDeps } from "../tool-deps.ts";
import { runTool, toolResult } from "../tool-result.ts";

const PAGE = 50;

export function addListFiles(server: McpServer, deps: ToolDeps, description: string): void {
  const inputSchema = z.strictObject({
    session: z.string().regex(containerIdPattern, "must be a session's id").optional().describe("lists the files of this session instead"),
    after: z.string().regex(fileIdPattern, "must be a file id").optional().describe("the last file_id of the previous page"),
  });
  server.registerTool(
    "list_files",
    { title: "List files", description, inputSchema, annotations: { readOnlyHint: true, openWorldHint: false } },
    ({ session, after }) =>
      runTool(deps.log, async () => toolResult(textOf(session === undefined ? await page(after, deps) : await filesOf(session, deps)))),
  );
}

function page(after: string | undefined, { interpreter, limits }: ToolDeps): Promise<FilesPage> {
  return interpreter.listFiles({ after, limit: Math.min(PAGE, limits.listPageMax) });
}

/** Not paged: a session's files are bounded by their own limit. */
async function filesOf(session: string, { interpreter }: ToolDeps): Promise<FilesPage> {
  return { data: await interpreter.sessionFiles(session), hasMore: false };
}

function textOf({ data, hasMore }: FilesPage): string {
  if (data.length === 0) return "There are no files.";
  const table = markdownRows(["file_id", "name", "type", "bytes", "created"], data.map(rowOf));
  return hasMore ? `${table}\n\nThere are more files. To list them, set after to ${data.at(-1)?.id}.` : table;
}

function rowOf(file: StoredFile): string[] {
  return [file.id, file.name, file.mimeType, String(file.bytes), new Date(file.createdAt).toISOString()];
}
