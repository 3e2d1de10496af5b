import type { Request, Response } from "express";
import { z } from "zod";
import { fileIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { stepAside } from "../core/turns.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { readUpload } from "../files/upload.ts";
import { containerIdOf, viewOfContainerFile } from "./container-view.ts";

export const containerFileRequest = z.strictObject({ file_id: z.string().regex(fileIdPattern, "must be a file id") });

/** POST /v1/containers/:id/files: a multipart form with `file`, or JSON with the `file_id` of a stored file. */
export function createContainerFile(deps: AppDeps): Route {
  const upload = async (request: Request, response: Response) => {
    const { organization } = callerOf(response);
    const id = containerIdOf(request);
    // Checked before the upload is read and stored.
    await deps.containers.ensureActive(organization, id);
    stepAside(response);
    const { received, ...file } = await readUpload(request, deps.files, deps.limits.fileUploadBytesMax);
    const record = await deps.files.keep(organization, { ...file, executionId: null, owner: id }, received);
    try {
      response.json(viewOfContainerFile(await deps.containers.addFile(organization, id, { fileId: record.id })));
    } catch (error) {
      await deps.files.delete(organization, record.id);
      throw error;
    }
  };
  const reference = async (request: Request, response: Response) => {
    const { file_id } = checked(containerFileRequest, request.body);
    stepAside(response);
    const added = await deps.containers.addFile(callerOf(response).organization, containerIdOf(request), { fileId: file_id });
    response.json(viewOfContainerFile(added));
  };
  return {
    method: "post",
    path: "/v1/containers/:id/files",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      refuseWhenStopping(deps.stopping),
      async (request, response, next) => {
        if (/^multipart\//i.test(request.headers["content-type"] ?? "")) await upload(request, response);
        else next();
      },
      ...jsonBody(deps.limits),
      reference,
    ],
  };
}
