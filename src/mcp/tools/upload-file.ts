import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { fileName } from "../../domain/request.ts";
import { linkOf } from "../content.ts";
import type { ToolDeps } from "../tool-deps.ts";
import { runTool, toolResult } from "../tool-result.ts";

export function addUploadFile(server: McpServer, deps: ToolDeps, description: string): void {
  const inputSchema = z
    .strictObject({
      name: fileName.describe("name in the working folder, such as data.csv"),
      text: z.string().optional().describe("content of a text file"),
      base64: z.base64().optional().describe("content of any other file"),
    })
    .refine((file) => (file.text === undefined) !== (file.base64 === undefined), { message: "must have exactly one of text, base64" });
  server.registerTool(
    "upload_file",
    {
      title: "Store a file",
      description,
      inputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    },
    ({ name, text, base64 }) =>
      runTool(deps.log, async () => {
        const bytes = text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8");
        const file = await deps.interpreter.storeFile(name, bytes);
        return toolResult(`Stored ${file.name} (${file.bytes} bytes) as ${file.id}`, linkOf(file.id, file.name, file.mimeType, file.bytes));
      }),
  );
}
