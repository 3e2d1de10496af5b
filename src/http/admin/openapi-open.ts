import { z } from "zod";
import { jsonResponse, type PathContext } from "../core/openapi-parts.ts";

const tags = ["operations"];

/** The calls that need no key. */
export function addOpenPaths({ registry }: PathContext): void {
  for (const prefix of ["", "/v1"]) {
    registry.registerPath({
      method: "get",
      path: `${prefix}/health/live`,
      tags,
      summary: "The process runs",
      responses: { 200: jsonResponse("It does.", z.object({ status: z.literal("ok") }).strict()) },
    });
    const readiness = z.object({ status: z.enum(["ready", "not_ready"]), checks: z.record(z.string(), z.boolean()) }).strict();
    registry.registerPath({
      method: "get",
      path: `${prefix}/health/ready`,
      tags,
      summary: "The process can take work",
      responses: { 200: jsonResponse("It can.", readiness), 503: jsonResponse("It can not; `checks` tells why.", readiness) },
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
