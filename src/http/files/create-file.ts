import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { refuseWhenStopping } from "../core/stopping.ts";
import { stepAside } from "../core/turns.ts";
import { viewOfFile } from "./file-view.ts";
import { readUpload } from "./upload.ts";

/** POST /v1/files: a multipart form with `file`, and optionally `purpose` and `expires_after`. */
export function createFile(deps: AppDeps): Route {
  return {
    method: "post",
    path: "/v1/files",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      refuseWhenStopping(deps.stopping),
      async (request, response) => {
        stepAside(response);
        const { received, ...file } = await readUpload(request, deps.files, deps.limits.fileUploadBytesMax);
        const record = await deps.files.keep(callerOf(response).organization, { ...file, executionId: null }, received);
        response.json(viewOfFile(record));
      },
    ],
  };
}
