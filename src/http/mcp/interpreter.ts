import { chunksOf } from "../../app/input-files.ts";
import { longestExecutionMs, runExecutionWith } from "../../app/run-execution.ts";
import { ServiceError } from "../../domain/errors.ts";
import type { ReadExecution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import { mimeTypeOf } from "../../files/mime.ts";
import { BlobTooLarge } from "../../files/store.ts";
import { CALL_LABEL, type Interpreter } from "../../mcp/interpreter.ts";
import type { AppDeps } from "../core/deps.ts";
import { ensureNotStopping } from "../core/stopping.ts";
import { uploadPurposes } from "../files/file-view.ts";

/** The operations of the MCP tools, for one organization. */
export function interpreterOf(organization: string, deps: AppDeps): Interpreter {
  const { files, limits } = deps;
  const run = runExecutionWith(deps);
  return {
    execute: async (request, onEvent, signal) => {
      ensureNotStopping(deps.stopping);
      return run({ organization, request, signal, onEvent, waitMs: longestExecutionMs(limits), cancelOnAbort: true });
    },
    toolServers: () => deps.toolServers.labelsFor(organization),
    async cancelLabelled(label) {
      const found = await findLabelled(deps, organization, label);
      if (found !== null) await deps.executions.cancel(organization, found.id);
    },
    async storeFile(name, bytes) {
      ensureNotStopping(deps.stopping);
      const file = { name, purpose: uploadPurposes[0], executionId: null, bytesMax: limits.fileUploadBytesMax };
      return files.save(organization, file, chunksOf(bytes)).catch((error: unknown) => {
        if (!(error instanceof BlobTooLarge)) throw error;
        throw new ServiceError("file_too_large", { detail: `The file must have at most ${limits.fileUploadBytesMax} bytes.` });
      });
    },
    async listFiles({ after, limit }) {
      const page = await files.list(organization, { ...(after === undefined ? {} : { after }), limit, order: "desc" });
      if (page === null) throw new ServiceError("file_not_found", { detail: "`after`: there is no such file." });
      return page;
    },
    getFile: (id) => files.get(organization, id),
    readFile: (file, range) => files.read(file, range),
    openSession: async () => {
      ensureNotStopping(deps.stopping);
      return (await deps.containers.create(organization, { givesWay: true })).id;
    },
    async sessionFiles(sessionId) {
      const found = await deps.containers.listFiles(organization, sessionId);
      return found.map((file) => ({ ...file, mimeType: mimeTypeOf(file.name) }));
    },
  };
}

/** Searches the newest executions: a running one is rarely older than that. */
async function findLabelled({ executions, limits }: AppDeps, organization: string, label: string): Promise<ReadExecution | null> {
  let after: string | undefined;
  for (let left = limits.listPageMax; left > 0; ) {
    const page = { ...(after === undefined ? {} : { after }), limit: left, order: "desc" as const };
    const { data, hasMore } = await executions.list(organization, page);
    const found = data.find((execution) => execution.metadata[CALL_LABEL] === label && !isFinal(execution.status));
    if (found !== undefined) return found;
    after = data.at(-1)?.id;
    if (!hasMore || after === undefined) return null;
    left -= data.length;
  }
  return null;
}
