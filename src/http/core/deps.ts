import type { createBullBoard } from "@bull-board/api";
import type { RequestHandler } from "express";
import type { Limits } from "../../domain/limits.ts";
import type { ReceiptSource } from "../../domain/receipt-source.ts";
import type { DayRange, DayUsage } from "../../domain/usage.ts";
import type { Files } from "../../files/files.ts";
import type { Caller, Scope } from "../../keys/keys.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Tracing } from "../../observe/trace.ts";
import type { SigningKeys } from "../../receipts/signing-keys.ts";
import type { AssistantPart } from "../responses/assistant-port.ts";
import type { Containers, Executions } from "./ports.ts";

/** Everything the HTTP side works with, made in `bin/` and passed down. */
export type BoardQueue = Parameters<typeof createBullBoard>[0]["queues"][number];

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
  usage(organization: string, range: DayRange): Promise<DayUsage[]>;
  receipts: { keys: SigningKeys; source(organization: string, id: string): Promise<ReceiptSource | null> };
  tracing: Tracing;
  /** What the queue page shows now. */
  boardQueues(): Promise<BoardQueue[]>;
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
