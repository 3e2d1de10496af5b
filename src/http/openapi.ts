import { OpenAPIRegistry, OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { containerIdPattern, executionIdPattern, fileIdPattern } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import { addOpenPaths } from "./admin/openapi-open.ts";
import { addWatchPaths } from "./admin/openapi-watch.ts";
import { addContainerPaths } from "./containers/openapi.ts";
import { containerExample, containerFileExample } from "./containers/openapi-examples.ts";
import { addExecutionPaths } from "./executions/openapi.ts";
import { executionExample, fileExample } from "./executions/openapi-examples.ts";
import { addFilePaths } from "./files/openapi.ts";
import { finishOpenApi } from "./openapi/finish.ts";
import type { PathContext } from "./openapi/parts.ts";
import { addAssistantPaths } from "./responses/openapi.ts";
import { assistantExample, responseExample } from "./responses/openapi-examples.ts";

/** The OpenAPI 3.1 document, generated once at start from the schemas that validate requests. */
export function makeOpenApi(options: { limits: Limits; publicUrl: string | undefined }) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "`Authorization: Bearer ci_sk_…`",
  });
  registry.registerComponent("securitySchemes", "apiKey", { type: "apiKey", in: "header", name: "X-API-Key" });
  const context: PathContext = {
    registry,
    limits: options.limits,
    security: [{ bearer: [] }, { apiKey: [] }],
    executionId: { params: z.object({ id: z.string().regex(executionIdPattern) }) },
    fileId: { params: z.object({ id: z.string().regex(fileIdPattern) }) },
    containerId: { params: z.object({ id: z.string().regex(containerIdPattern) }) },
  };
  addExecutionPaths(context);
  addFilePaths(context);
  addContainerPaths(context);
  addAssistantPaths(context);
  addWatchPaths(context);
  addOpenPaths(context);
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "code-interpreter",
      version: "1",
      description:
        "Runs untrusted Python in fresh locked-down containers and returns typed outputs. Failures of the code are results " +
        "with HTTP 200; failures of the service are errors. Every HTTP response has an `X-Request-Id`. All times are Unix seconds: " +
        "whole ones in the formats of OpenAI's API, with milliseconds as the fraction in executions.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: options.publicUrl ?? "/" }],
    tags: [
      { name: "executions", description: "Run code and get its typed outputs." },
      { name: "files", description: "Files for and of code, in the format of OpenAI's API." },
      { name: "containers", description: "Sandboxes that are kept, in the format of OpenAI's API." },
      { name: "assistant", description: "A model that runs code, in the format of OpenAI's API or our own." },
      { name: "usage", description: "What an organization has used." },
      { name: "operations", description: "Health, keys of receipts, and this document. No API key is needed." },
    ],
  });
  return finishOpenApi(document, {
    Execution: executionExample,
    File: fileExample,
    Container: containerExample,
    ContainerFile: containerFileExample,
    Response: responseExample,
    Assistant: assistantExample,
  });
}
