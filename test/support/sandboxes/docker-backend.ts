import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Limits } from "../../../src/domain/limits.ts";
import type { Log } from "../../../src/observe/log.ts";
import type { Metrics } from "../../../src/observe/metrics.ts";
import { connectEngine, hasStatus } from "../../../src/sandbox/docker/engine-client.ts";
import { DockerSandboxFactory } from "../../../src/sandbox/docker/factory.ts";
import { WORKER_LABEL } from "../../../src/sandbox/docker/profile.ts";
import { hasOwnKernel } from "../../../src/sandbox/own-kernel.ts";
import type { Backend } from "./backend.ts";
import { pauseContainer } from "./containers.ts";

export interface DockerBackendOptions {
  host: string;
  image: string;
  runtime: string;
  limits: Limits;
  metrics: Metrics;
  log: Log;
  /** Replaces the image's seccomp profile. */
  seccomp?: object | undefined;
}

export function dockerBackend(options: DockerBackendOptions): Backend {
  const { host, image, runtime, limits, metrics, log } = options;
  const docker = connectEngine({ host }, metrics);
  const workerId = `test-${randomUUID()}`;
  const list =
    options.seccomp === undefined
      ? readFileSync(new URL("../../../sandbox-image/seccomp.json", import.meta.url), "utf8")
      : JSON.stringify(options.seccomp);
  const seccomp = hasOwnKernel(runtime) ? null : list;
  return {
    factory: new DockerSandboxFactory({
      engine: docker,
      profile: { image, runtime, seccomp, limits, serviceId: "tests", workerId },
      limits,
      metrics,
      log,
      startsMax: 2,
      lifetimeMsMax: 600_000,
    }),
    async containers() {
      const found = await docker.control.listContainers({ all: true, filters: { label: [`${WORKER_LABEL}=${workerId}`] } });
      return found.map((container) => container.Id);
    },
    async exists(id) {
      try {
        await docker.control.getContainer(id).inspect();
        return true;
      } catch (error) {
        if (hasStatus(error, 404)) return false;
        throw error;
      }
    },
    kill: async (id) => void (await docker.control.getContainer(id).kill()),
    pause: async (id) => pauseContainer(id, host),
    killedEvidence: { exit_code: 137 },
    close: async () => docker.close(),
  };
}
