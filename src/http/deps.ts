import type { RequestHandler } from "express";
import type { Files } from "../files/files.ts";
import type { Caller, Scope } from "../keys.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { AssistantPart } from "./assistant-port.ts";
import type { Containers, Executions } from "./ports.ts";

/** Everything the HTTP side works with, made in `bin/` and passed down. */
export interface AppDeps {
  limits: Limits;
  log: Log;
  metrics: Metrics;
  keys: { find(text: string): Caller | null };
  executions: Executions;
  containers: Containers;
  assistant: AssistantPart;
  files: Files;
  rateLimit: { take(keyId: string): Promise<void> };
  /** What `/health/ready` reports, by name of the thing asked; ready when all are true. */
  readiness(): Promise<Record<string, boolean>>;
  /** Base of the URLs in answers; relative ones when unset. */
  publicUrl: string | undefined;
  /** Aborted when the process begins its orderly stop: new work is refused, connections are closed after their answer. */
  stopping: AbortSignal;
}

/** One path and method of the API. The path is also the metric label, so it is a pattern, never a value. */
export interface Route {
  method: "get" | "post" | "delete";
  path: string;
  scope: Scope;
  handlers: RequestHandler[];
}
