import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";
import { inspect } from "node:util";
import Docker from "dockerode";
import type { Metrics } from "../../observe/metrics.ts";

/** For calls that a healthy engine answers immediately. */
const CONTROL_TIMEOUT_MS = 15_000;

export interface EngineAddress {
  /** unix://…, tcp://… or http(s)://… */
  host: string;
  /** Folder with ca.pem, cert.pem and key.pem, for an engine behind TLS. */
  certPath?: string | undefined;
}

/** Two Docker clients for one engine, with metrics per operation. */
export interface EngineClient {
  /** For short calls; has a timeout. */
  readonly control: Docker;
  /** For attach and wait; no timeout, because a socket timeout would end a silent stream. */
  readonly stream: Docker;
  /** Runs one call and records its duration and failure under `operation`. */
  call<T>(operation: EngineOperation, work: () => Promise<T>): Promise<T>;
  close(): void;
}

export const engineOperations = ["ping", "info", "create", "attach", "start", "inspect", "stats", "wait", "remove", "list"] as const;
export type EngineOperation = (typeof engineOperations)[number];

export function connectEngine(address: EngineAddress, metrics: Metrics): EngineClient {
  const secure = address.host.startsWith("https://") || address.certPath !== undefined;
  const agent = withoutInspection(secure ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true }));
  const options = dockerOptions(address, secure);
  return {
    control: new Docker({ ...options, agent, timeout: CONTROL_TIMEOUT_MS } as Docker.DockerOptions),
    stream: new Docker(options),
    async call(operation, work) {
      const stopTimer = metrics.engineCalls.startTimer({ operation });
      try {
        return await work();
      } catch (error) {
        // A container that is gone, or is being removed by another call, is no failure of the engine.
        const gone = operation === "remove" && (hasStatus(error, 404) || hasStatus(error, 409));
        if (!gone) metrics.engineErrors.inc({ operation });
        throw error;
      } finally {
        stopTimer();
      }
    },
    close: () => agent.destroy(),
  };
}

function dockerOptions(address: EngineAddress, secure: boolean): Docker.DockerOptions {
  if (address.host.startsWith("unix://")) return { socketPath: address.host.slice("unix://".length) };
  const url = new URL(address.host.replace(/^tcp:/, secure ? "https:" : "http:"));
  const options: Docker.DockerOptions = {
    host: url.hostname,
    port: Number(url.port || (secure ? 2376 : 2375)),
    protocol: secure ? "https" : "http",
  };
  if (address.certPath === undefined) return options;
  const read = (name: string) => readFileSync(join(address.certPath as string, name), "utf8");
  return { ...options, ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

/**
 * dockerode inspects the options of every call for its debug log, even when the log is off. Inspecting an agent with all
 * its sockets took more CPU than everything else that the service does for an execution.
 */
function withoutInspection<A extends http.Agent>(agent: A): A {
  return Object.assign(agent, { [inspect.custom]: () => "Agent" });
}

/** True for an error response of the engine with this HTTP status. */
export function hasStatus(error: unknown, status: number): boolean {
  return typeof error === "object" && error !== null && (error as { statusCode?: unknown }).statusCode === status;
}
