import { z } from "zod";
import { containerIdPattern, fileIdPattern } from "../../domain/ids.ts";
import { pageQuery } from "../core/paging.ts";
import { fileBytes, fileExample } from "../executions/openapi-examples.ts";
import { jsonResponse, listOf, openaiErrorResponses, type PathContext } from "../openapi/parts.ts";
import { containerFileObject, containerObject } from "./container-view.ts";
import { containerRequestSchema } from "./create-container.ts";
import { containerFileRequest } from "./create-container-file.ts";

const tags = ["containers"];
const binary = { type: "string", format: "binary" } as const;
const inactiveErrors = ["container_not_found", "container_expired", "container_lost"] as const;

export function addContainerPaths(context: PathContext): void {
  const { registry, limits, security, containerId } = context;
  const shown = registry.register("Container", containerObject.strict());
  const request = registry.register("ContainerRequest", containerRequestSchema(limits));

  registry.registerPath({
    method: "post",
    path: "/v1/containers",
    tags,
    security,
    summary: "Create a container",
    description:
      "A sandbox that keeps variables and files from one execution to the next. The response is sent once it accepts executions. " +
      `An organization can have ${limits.sessionsPerOrganizationMax} at a time. With \`restore_from\`, it starts with the files of an ` +
      "expired or lost container; variables are not restored.",
    request: { body: { required: true, content: { "application/json": { schema: request, example: { name: "analysis" } } } } },
    responses: {
      200: jsonResponse("The active container.", shown),
      ...openaiErrorResponses([
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
      ...openaiErrorResponses(["container_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path: "/v1/containers/{id}",
    tags,
    security,
    summary: "Get a container",
    description: "An expired or lost container is returned until its record expires.",
    request: containerId,
    responses: { 200: jsonResponse("The current state of the container.", shown), ...openaiErrorResponses(["container_not_found"]) },
  });

  registry.registerPath({
    method: "delete",
    path: "/v1/containers/{id}",
    tags,
    security,
    summary: "Delete a container and its files",
    request: containerId,
    responses: { 200: deleted("container.deleted"), ...openaiErrorResponses(["container_not_found", "storage_unavailable"]) },
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
    summary: "Add a file to a container",
    description:
      `Either an upload of at most ${limits.fileUploadBytesMax} bytes or the id of a stored file. It is placed before the next execution ` +
      "and replaces a file of that name.",
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
            example: { file: fileBytes },
          },
          "application/json": { schema: containerFileRequest, example: { file_id: fileExample.id } },
        },
      },
    },
    responses: {
      200: jsonResponse("The file.", shown),
      ...openaiErrorResponses([
        ...inactiveErrors,
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
    description: "The files after the last execution, also of an expired or lost container.",
    request: { ...containerId, query: z.object(pageQuery(limits, fileIdPattern)) },
    responses: {
      200: jsonResponse("A page.", listOf(shown)),
      ...openaiErrorResponses(["container_not_found", "file_not_found", "invalid_field", "unknown_field"]),
    },
  });

  registry.registerPath({
    method: "get",
    path,
    tags,
    security,
    summary: "Get a file of a container",
    request: one,
    responses: { 200: jsonResponse("The file.", shown), ...openaiErrorResponses(["container_not_found", "file_not_found"]) },
  });

  const content = { "*/*": { schema: binary, example: fileBytes } };
  registry.registerPath({
    method: "get",
    path: `${path}/content`,
    tags,
    security,
    summary: "Get the bytes of a file of a container",
    description: "Always an attachment. `ETag` is the quoted SHA-256. A single `Range` is supported.",
    request: one,
    responses: {
      200: { description: "All bytes.", content },
      206: { description: "The bytes of the range.", content },
      302: { description: "A short-lived link to the store, when `S3_LINK_SECONDS` is set. Follow it without the API key." },
      304: { description: "The copy in `If-None-Match` is current." },
      ...openaiErrorResponses(["container_not_found", "file_not_found", "range_not_satisfiable", "storage_unavailable"]),
    },
  });

  registry.registerPath({
    method: "delete",
    path,
    tags,
    security,
    summary: "Remove a file from a container",
    description: "The file is removed before the next execution. A file that was added by its id stays stored.",
    request: one,
    responses: {
      200: deleted("container.file.deleted"),
      ...openaiErrorResponses([...inactiveErrors, "file_not_found", "storage_unavailable"]),
    },
  });
}

function deleted(object: string) {
  return jsonResponse("Deleted.", z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) }).strict());
}
