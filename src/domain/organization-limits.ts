import { z } from "zod";
import type { Limits } from "./limits.ts";

const positive = z.int().min(1);

/** Limits of one organization, as an operator sets them in the record of a key. What is absent follows the service. */
export const organizationLimits = z
  .strictObject({
    requests_per_minute: positive.describe("requests with this key"),
    waiting_executions: positive.describe("share of the queue"),
    sessions: positive,
    memory_mb: positive.min(64).describe("of one sandbox; never above the service's own limit"),
    timeout_ms: positive.describe("of one execution; never above the service's own limit"),
    records_bytes: positive.describe("stored requests, results and responses"),
    files_bytes: positive.describe("stored files"),
  })
  .partial();
export type OrganizationLimits = z.infer<typeof organizationLimits>;

export const organizationLimitNames = Object.keys(organizationLimits.shape) as Array<keyof OrganizationLimits>;

/** The limits that hold for an organization. */
export type LimitsOf = (organization: string) => Limits;

/** Of several records of one organization the smallest number of each limit holds, so that no second key lifts a limit. */
export function strictest(all: readonly OrganizationLimits[]): OrganizationLimits {
  const merged: OrganizationLimits = {};
  for (const name of organizationLimitNames) {
    const values = all.map((one) => one[name]).filter((value) => value !== undefined);
    if (values.length > 0) merged[name] = Math.min(...values);
  }
  return merged;
}

/**
 * The service's limits with those of an organization in their place. Memory and time are never above the service's: pools,
 * machines and shutdowns are made for these. The rate belongs to a key, see `Caller`.
 */
export function limitsWith(general: Limits, own: OrganizationLimits): Limits {
  return {
    ...general,
    queuePerOrganizationMax: Math.min(own.waiting_executions ?? general.queuePerOrganizationMax, general.queueTotalMax),
    sessionsPerOrganizationMax: own.sessions ?? general.sessionsPerOrganizationMax,
    memoryMbMax: Math.min(own.memory_mb ?? general.memoryMbMax, general.memoryMbMax),
    sessionMemoryMbMax: Math.min(own.memory_mb ?? general.sessionMemoryMbMax, general.sessionMemoryMbMax),
    runTimeoutMsMax: Math.min(own.timeout_ms ?? general.runTimeoutMsMax, general.runTimeoutMsMax),
    recordsBytesPerOrganizationMax: own.records_bytes ?? general.recordsBytesPerOrganizationMax,
    filesBytesPerOrganizationMax: own.files_bytes ?? general.filesBytesPerOrganizationMax,
  };
}
