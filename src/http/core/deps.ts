import type { createBullBoard } from "@bull-board/api";
import type { RequestHandler } from "express";
import type { Containers, Executions, ToolServers } from "../../app/ports.ts";
import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { PackageList } from "../../domain/packages.ts";
import type { ReceiptSource } from "../../domain/receipt-source.ts";
import type { DayRange, DayUsage, OrganizationUsage, UsageMeasure } from "../../domain/usage.ts";
import type { Files } from "../../files/files.ts";
import type { ListedKey } from "../../keys/change-keys.ts";
import type { Caller } from "../../keys/keys.ts";
import type { Scope } from "../../keys/stored-key.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Tracing } from "../../observe/trace.ts";
import type { SigningKeys } from "../../receipts/signing-keys.ts";
import type { AssistantPart } from "../responses/assistant-port.ts";
import type { AnsweredRequest } from "./measure.ts";

export type BoardQueue = Parameters<typeof createBullBoard>[0]["queues"][number];

/** Unix time in ms; null for a key that was not used. */
export type UsedKey = ListedKey & { lastUsedAt: number | null };

/** The dependencies of the HTTP handlers, created in `src/main` and passed down. */
export interface AppDeps {
  limits: Limits;
  /** The limits for one organization; the same object as long as they are the same. */
  limitsOf: LimitsOf;
  log: Log;
  metrics: Metrics;
  keys: { find(text: string): Caller | null };
  executions: Executions;
  containers: Containers;
  assistant: AssistantPart;
  files: Files;
  toolServers: ToolServers;
  rateLimit: { take(caller: Pick<Caller, "keyId" | "requestsPerMinute">): Promise<void> };
  usage(organization: string, range: DayRange): Promise<DayUsage[]>;
  topUsage(wanted: { day: number; by: UsageMeasure; limit: number }): Promise<OrganizationUsage[]>;
  /** The keys of all organizations, for operators. Changes reject with `keys_not_writable`; null for an unknown id. */
  adminKeys: {
    list(): Promise<UsedKey[]>;
    /** The new key, and its text. Null also for a key that has expired. */
    rotate(id: string, overlapMs: number): Promise<{ key: UsedKey; text: string } | null>;
    expire(id: string, at: number): Promise<UsedKey | null>;
  };
  packages: PackageList;
  receipts: { keys: SigningKeys; source(organization: string, id: string): Promise<ReceiptSource | null> };
  tracing: Tracing;
  /** The current queues of the queue page. */
  boardQueues(): Promise<BoardQueue[]>;
  /** The checks of `/health/ready` by name. The process is ready when all are true. */
  readiness(): Promise<Record<string, boolean>>;
  /** Called with each request that was answered. */
  onAnswered?: (answered: AnsweredRequest) => void;
  /** What needs an operator but does not keep the process from serving, as sentences. */
  warnings?: () => string[];
  /** Base of URLs in responses. Without it, they are relative. */
  publicUrl: string | undefined;
  /** Aborted when the process is about to stop: it is not ready, and still serves. By default `stopping`. */
  draining?: AbortSignal;
  /** Aborted when graceful shutdown begins: new work is refused, and connections close after their response. */
  stopping: AbortSignal;
}

/** One path and method of the API. The path is also a metric label, so it is a pattern without values. */
export interface Route {
  method: "get" | "post" | "delete";
  path: string;
  scope: Scope;
  /** It may wait for something else, or stream. Its handler calls `stepAside` before it does. */
  open?: true;
  /** OpenAI's API has the route too. Its clients expect 400 where our own routes answer 422. */
  ofOpenai?: true;
  handlers: RequestHandler[];
}
