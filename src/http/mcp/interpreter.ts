import { ServiceError } from "../../domain/errors.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Execution, ExecutionEvent } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import { mimeTypeOf } from "../../files/mime.ts";
import { BlobTooLarge } from "../../files/store.ts";
import { CALL_LABEL, type Interpreter } from "../../mcp/interpreter.ts";
import type { AppDeps } from "../core/deps.ts";
import { ensureNotStopping } from "../core/stopping.ts";
import { accept, wholeWayMs } from "../executions/create-execution.ts";
import { chunksOf } from "../executions/inline-files.ts";
import { uploadPurposes } from "../files/file-view.ts";

/** What the MCP tools ask for, done by the service for one organization. */
export function interpreterOf(organization: string, deps: AppDeps): Interpreter {
  const { files, limits } = deps;
  return {
    execute: (request, onEvent, signal) => execute(deps, { organization, request }, onEvent, signal),
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
      if (page === null) throw new ServiceError("file_not_found", { detail: "`after` names no file." });
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

/** Among the newest; what runs is seldom older than many that have ended. */
async function findLabelled({ executions, limits }: AppDeps, organization: string, label: string): Promise<Execution | null> {
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

/** Nobody can come back for the result of a call that was broken off, so it is cancelled. */
async function execute(
  deps: AppDeps,
  { organization, request }: { organization: string; request: ExecutionRequest },
  onEvent: (event: ExecutionEvent) => void,
  signal: AbortSignal,
): Promise<Execution> {
  ensureNotStopping(deps.stopping);
  const { id } = (await accept(deps, organization, request, null)).execution;
  try {
    for await (const { event } of deps.executions.events(organization, id, null, signal)) {
      if (event.type === "execution.ended") return event.execution;
      onEvent(event);
    }
    signal.throwIfAborted();
    return await deps.executions.waitForEnd(organization, id, wholeWayMs(deps.limits), signal);
  } finally {
    if (signal.aborted) await deps.executions.cancel(organization, id);
  }
}
