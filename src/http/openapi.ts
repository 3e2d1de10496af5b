import { OpenAPIRegistry, OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { containerIdPattern, executionIdPattern, fileIdPattern } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import { addOpenPaths } from "./admin/openapi-open.ts";
import { addWatchPaths } from "./admin/openapi-watch.ts";
import { addContainerPaths } from "./containers/openapi.ts";
import type { PathContext } from "./core/openapi-parts.ts";
import { addExecutionPaths } from "./executions/openapi.ts";
import { addFilePaths } from "./files/openapi.ts";
import { addAssistantPaths } from "./responses/openapi.ts";

/** The OpenAPI 3.1 document, made of the very schemas that check requests. Built once, at start. */
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
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "code-interpreter",
      version: "1",
      description:
        "Runs untrusted Python in fresh locked-down containers and returns typed outputs. What the code did is a result " +
        "with HTTP 200, whatever it did; what the service failed at is an error. Every answer carries `X-Request-Id`.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: options.publicUrl ?? "/" }],
    tags: [
      { name: "executions" },
      { name: "files" },
      { name: "containers" },
      { name: "assistant" },
      { name: "usage" },
      { name: "operations" },
    ],
  });
}
