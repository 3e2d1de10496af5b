import { z } from "zod";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { errorResponses, jsonResponse, listOf, type PathContext } from "../core/openapi-parts.ts";
import { pageQuery } from "../core/paging.ts";
import { containerFileObject, containerObject } from "./container-view.ts";
import { containerRequestSchema } from "./create-container.ts";
import { containerFileRequest } from "./create-container-file.ts";

const tags = ["containers"];
const binary = { type: "string", format: "binary" } as const;
const notTaking = ["container_not_found", "container_expired", "container_lost"] as const;

export function addContainerPaths(context: PathContext): void {
  const { registry, limits, security, containerId } = context;
  const shown = registry.register("Container", containerObject.strict());
  const request = registry.register("ContainerRequest", containerRequestSchema(limits));

  registry.registerPath({
    method: "post",
    path: "/v1/containers",
    tags,
    security,
    summary: "Make a container",
    description:
      "A sandbox that keeps variables and files from one execution to the next. Answers once it takes code. " +
      `An organization may have ${limits.sessionsPerOrganizationMax} at a time. With \`restore_from\` it begins with the files of one ` +
      "that has expired or was lost; its variables are gone.",
    request: { body: { required: true, content: { "application/json": { schema: request, example: { name: "analysis" } } } } },
    responses: {
      200: jsonResponse("It takes code.", shown),
      ...errorResponses([
        "malformed_json",
        "container_not_found",
        "body_too_large",
        "unsupported_media_type",
        "invalid_field",
        "unknown_field",
        "organization_containers_full",
        "organization_queue_full",
        "queue_full",
        "container_unavailable",
        "storage_unavailable",
        "shutting_down",
      ]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/containers",
    tags,
    security,
    summary: "List containers",
    request: { query: z.object({ ...pageQuery(limits, containerIdPattern), name: z.string().optional() }) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...errorResponses(["container_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/containers/{id}",
    tags,
    security,
    summary: "Get a container",
    description: "Also one that has expired or was lost, as long as it is known.",
    request: containerId,
    responses: { 200: jsonResponse("The container as it is now.", shown), ...errorResponses(["container_not_found"]) },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/containers/{id}",
    tags,
    security,
    summary: "Delete a container with its files",
    request: containerId,
    responses: { 200: deleted("container.deleted"), ...errorResponses(["container_not_found", "storage_unavailable"]) },
  });
  addFilePathsOfContainers(context);
}

function addFilePathsOfContainers({ registry, limits, security, containerId }: PathContext): void {
  const shown = registry.register("ContainerFile", containerFileObject.strict());
  const one = { params: containerId.params.extend({ file_id: z.string().regex(fileIdPattern) }) };
  const path = "/v1/containers/{id}/files/{file_id}";

  registry.registerPath({
    method: "post",
    path: "/v1/containers/{id}/files",
    tags,
    security,
    summary: "Put a file into a container",
    description: `Uploaded here, at most ${limits.fileUploadBytesMax} bytes, or stored before. It is there before the next execution, over one of its name.`,
    request: {
      ...containerId,
      body: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: {
              type: "object",
              required: ["file"],
              additionalProperties: false,
              properties: { file: binary, purpose: { type: "string" } },
            },
          },
          "application/json": { schema: containerFileRequest },
        },
      },
    },
    responses: {
      200: jsonResponse("The file.", shown),
      ...errorResponses([
        ...notTaking,
        "malformed_json",
        "body_too_large",
        "file_too_large",
        "organization_storage_full",
        "unsupported_media_type",
        "invalid_field",
        "unknown_field",
        "storage_unavailable",
        "shutting_down",
      ]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/containers/{id}/files",
    tags,
    security,
    summary: "List the files of a container",
    description: "As they were after the last execution in it; also of one that has expired or was lost.",
    request: { ...containerId, query: z.object(pageQuery(limits, fileIdPattern)) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...errorResponses(["container_not_found", "file_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path,
    tags,
    security,
    summary: "Get a file of a container",
    request: one,
    responses: { 200: jsonResponse("The file.", shown), ...errorResponses(["container_not_found", "file_not_found"]) },
  });

  const content = { "*/*": { schema: binary } };
  registry.registerPath({
    method: "get",
    path: `${path}/content`,
    tags,
    security,
    summary: "Get the bytes of a file of a container",
    description: "Always an attachment. `ETag` is the SHA-256 in quotes; a single `Range` is honoured.",
    request: one,
    responses: {
      200: { description: "All bytes.", content },
      206: { description: "The bytes of the range.", content },
      302: { description: "Where the store gives the bytes out, for a short time; with `S3_LINK_SECONDS` set. Follow it without the key." },
      304: { description: "The copy that `If-None-Match` names is current." },
      ...errorResponses(["container_not_found", "file_not_found", "range_not_satisfiable", "storage_unavailable"]),
    },
  });

  registry.registerPath({
    method: "delete",
    path,
    tags,
    security,
    summary: "Remove a file from a container",
    description: "It is gone before the next execution. A file that was stored by itself stays stored.",
    request: one,
    responses: { 200: deleted("container.file.deleted"), ...errorResponses([...notTaking, "file_not_found", "storage_unavailable"]) },
  });
}

function deleted(object: string) {
  return jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) }).strict());
}
