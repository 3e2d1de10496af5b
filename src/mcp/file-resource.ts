import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceNotFoundError, ResourceTemplate } from "@modelcontextprotocol/server";
import { ServiceError } from "../domain/errors.ts";
import { fileIdPattern } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import type { Log } from "../observe/log.ts";
import type { Interpreter } from "./interpreter.ts";
import { bytesOf, textOf } from "./read-bytes.ts";

const SCHEME = "code-interpreter://files/";

/** The address of a stored file. Keys of its organization can read it with `resources/read`. */
export function fileUri(id: string): string {
  return SCHEME + id;
}

/** Lets clients read the files that tool results link to. */
export function addFileResource(server: McpServer, deps: { interpreter: Interpreter; limits: Limits; log: Log }): void {
  const template = new ResourceTemplate(`${SCHEME}{file_id}`, { list: undefined });
  const about = { title: "Stored file", description: `A file's content, up to ${deps.limits.mcpResourceBytesMax} bytes` };
  server.registerResource("file", template, about, async (uri, { file_id: id }) => {
    try {
      const content = typeof id === "string" && fileIdPattern.test(id) ? await contentOf(id, deps.interpreter, deps.limits) : null;
      if (content === null) throw new ResourceNotFoundError(uri.href);
      return { contents: [{ uri: uri.href, ...content }] };
    } catch (error) {
      throw protocolErrorOf(error, deps.log);
    }
  });
}

async function contentOf(id: string, interpreter: Interpreter, limits: Limits) {
  const file = await interpreter.getFile(id);
  if (file === null) return null;
  const { mcpResourceBytesMax } = limits;
  if (file.bytes > mcpResourceBytesMax) {
    throw new ServiceError("file_too_large", {
      detail: `The file has ${file.bytes} bytes; over MCP at most ${mcpResourceBytesMax} are read. GET /v1/files/${id}/content has no such bound.`,
    });
  }
  const bytes = await bytesOf(file, { start: 0, end: file.bytes - 1 }, interpreter);
  if (bytes === null) return null;
  const decoded = textOf(bytes, { start: false, end: false });
  const { mimeType } = file;
  return decoded === null ? { mimeType, blob: bytes.toString("base64") } : { mimeType, text: decoded.text };
}

/** Unexpected errors are logged, and their text is not sent to the client. */
function protocolErrorOf(error: unknown, log: Log): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (error instanceof ServiceError) return new ProtocolError(ProtocolErrorCode.InvalidParams, error.detail);
  log.error({ err: error }, "an MCP resource could not be read");
  return new ProtocolError(ProtocolErrorCode.InternalError, "The service failed.");
}
