import Docker from "dockerode";
import { WORKER_LABEL } from "../../../src/sandbox/docker/profile.ts";

export const testEngineHost = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";

const PAUSE_ATTEMPTS = 10;

/** A client of the engine under test, or of another one. */
export function testEngine(host = testEngineHost): Docker {
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  const url = new URL(host.replace(/^tcp:/, "http:"));
  return new Docker({ host: url.hostname, port: Number(url.port) });
}

/**
 * Freezes a container. On a busy machine the engine may give up before all processes have stopped and thaws them, so this
 * retries.
 */
export async function pauseContainer(id: string, host = testEngineHost): Promise<void> {
  for (let left = PAUSE_ATTEMPTS; left > 0; left--) {
    try {
      await testEngine(host).getContainer(id).pause();
      return;
    } catch (error) {
      if (left === 1 || !String(error).includes("unable to freeze")) throw error;
    }
  }
}

/** Sandboxes of a worker, in any state. */
export function sandboxesOf(workerId: string, host = testEngineHost): Promise<Docker.ContainerInfo[]> {
  return testEngine(host).listContainers({ all: true, filters: { label: [`${WORKER_LABEL}=${workerId}`] } });
}

/** The worker id in the log of a process of the service. */
export function workerIdIn(log: readonly string[]): string {
  const line = log.find((text) => text.includes('"workerId"'));
  if (line === undefined) throw new Error("the log names no worker");
  return (JSON.parse(line) as { workerId: string }).workerId;
}
