import { McpServer } from "@modelcontextprotocol/server";
import { namesForModels } from "../domain/packages.ts";
import { describeTools } from "./descriptions.ts";
import { addFileResource } from "./file-resource.ts";
import type { ToolDeps } from "./tool-deps.ts";
import { addExecutePython } from "./tools/execute-python.ts";
import { addListFiles } from "./tools/list-files.ts";
import { addReadFile } from "./tools/read-file.ts";
import { addUploadFile } from "./tools/upload-file.ts";

/** Version of this server, not of the protocol. */
const VERSION = "1";

export interface Rights {
  execute: boolean;
  read: boolean;
}

/** A server with only the tools that the caller's key may use. */
export function makeServer(deps: ToolDeps, rights: Rights): McpServer {
  const server = new McpServer({ name: "code-interpreter", title: "Code interpreter", version: VERSION });
  const descriptions = describeTools(deps.limits, namesForModels(deps.packages.latest), deps.interpreter.toolServers());
  if (rights.execute) {
    addExecutePython(server, deps, descriptions.executePython);
    addUploadFile(server, deps, descriptions.uploadFile);
  }
  if (rights.read) {
    addListFiles(server, deps, descriptions.listFiles);
    addReadFile(server, deps, descriptions.readFile);
    addFileResource(server, deps);
  }
  return server;
}
