import Docker from "dockerode";
import { WORKER_LABEL } from "../../src/docker/profile.ts";

/** The engine that the tests' sandboxes run on. */
export function testEngine(): Docker {
  const host = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  const url = new URL(host.replace(/^tcp:/, "http:"));
  return new Docker({ host: url.hostname, port: Number(url.port) });
}

/** Sandboxes of a worker, in any state. */
export function sandboxesOf(workerId: string): Promise<Docker.ContainerInfo[]> {
  return testEngine().listContainers({ all: true, filters: { label: [`${WORKER_LABEL}=${workerId}`] } });
}

/** The worker id that a process of the service said in its log. */
export function workerIdIn(log: readonly string[]): string {
  const line = log.find((text) => text.includes('"workerId"'));
  if (line === undefined) throw new Error("the log names no worker");
  return (JSON.parse(line) as { workerId: string }).workerId;
}
