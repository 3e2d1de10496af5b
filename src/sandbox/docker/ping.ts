import type Docker from "dockerode";
import { type EngineClient, hasStatus } from "./engine-client.ts";
import { WORKER_LABEL } from "./profile.ts";

/** A chain of programs carries a container: dockerd, containerd, a shim. Each can hang while the one before it answers. */
const ANSWER_TIMEOUT_MS = 2_000;

/** Rejects unless dockerd answers, and with it containerd and the shim of this worker's newest sandbox, if it has one. */
export async function pingEngine(engine: EngineClient, workerId: string): Promise<void> {
  const abortSignal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  await engine.call("ping", async () => {
    const filters = { status: ["running"], label: [`${WORKER_LABEL}=${workerId}`] };
    const [newest] = await engine.control.listContainers({ limit: 1, filters, abortSignal });
    if (newest !== undefined) await readStats(engine.control, newest.Id, abortSignal);
    // Asks containerd for its version.
    else await bounded<"info">(engine.control).info({ abortSignal });
  });
}

/** Whether the engine reaches the container's shim within two seconds. */
export async function reachesShim(engine: EngineClient, containerId: string): Promise<boolean> {
  try {
    await engine.call("stats", () => readStats(engine.control, containerId, AbortSignal.timeout(ANSWER_TIMEOUT_MS)));
    return true;
  } catch {
    return false;
  }
}

/** Only containerd and the shim know the figures. A container that is gone has no shim that could hang. */
async function readStats(docker: Docker, containerId: string, abortSignal: AbortSignal): Promise<void> {
  try {
    const query = { stream: false, "one-shot": true };
    await bounded<"stats">(docker.getContainer(containerId)).stats({ stream: false, _query: query, abortSignal });
  } catch (error) {
    if (!hasStatus(error, 404) && !hasStatus(error, 409)) throw error;
  }
}

type BoundedCall = (options: { abortSignal: AbortSignal; [name: string]: unknown }) => Promise<unknown>;

/** dockerode takes a signal for every call; its types know that for some. */
function bounded<M extends string>(target: Partial<Record<M, unknown>>): Record<M, BoundedCall> {
  return target as Record<M, BoundedCall>;
}
