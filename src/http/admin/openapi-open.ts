import { z } from "zod";
import { jsonResponse, type PathContext } from "../openapi/parts.ts";

const tags = ["operations"];

/** Paths that need no key. */
export function addOpenPaths({ registry }: PathContext): void {
  for (const prefix of ["", "/v1"]) {
    registry.registerPath({
      method: "get",
      path: `${prefix}/health/live`,
      tags,
      summary: "Liveness",
      responses: { 200: jsonResponse("The process runs.", z.object({ status: z.literal("ok") }).strict()) },
    });
    const readiness = z.object({ status: z.enum(["ready", "not_ready"]), checks: z.record(z.string(), z.boolean()) }).strict();
    registry.registerPath({
      method: "get",
      path: `${prefix}/health/ready`,
      tags,
      summary: "Readiness",
      responses: {
        200: jsonResponse("The process can take work.", readiness),
        503: jsonResponse("The process cannot take work; `checks` shows the reason.", readiness),
      },
    });
    registry.registerPath({
      method: "get",
      path: `${prefix}/openapi.json`,
      tags,
      summary: "This document",
      responses: { 200: jsonResponse("OpenAPI 3.1.", z.object({ openapi: z.string() })) },
    });
  }
}
