import { z } from "zod";

const DAY_MS = 24 * 60 * 60 * 1000;
const count = z.number().int().nonnegative();

/** Number of ended executions by status, and the resources they used. */
const used = {
  executions: z.object({ completed: count, failed: count, incomplete: count, cancelled: count, errored: count }),
  cpu_seconds: z.number().nonnegative().describe("of attempts that ended; an attempt lost with its worker is not counted"),
  bytes_in: count.describe("code, stdin and files sent into sandboxes"),
  bytes_out: count.describe("stdout and stderr written, and files stored"),
};

export const dayUsage = z.object({ date: z.iso.date().describe("UTC day on which they ended"), ...used });
export type DayUsage = z.infer<typeof dayUsage>;
export const totalUsage = z.object(used);
export type TotalUsage = z.infer<typeof totalUsage>;

/** What organizations are compared by. `refused`: requests that were answered with 4xx. */
export const usageMeasures = ["executions", "cpu_seconds", "bytes", "refused"] as const;
export type UsageMeasure = (typeof usageMeasures)[number];
export const TOP_USAGE_KEPT_DAYS = 31;

/** One organization's use of the service on one UTC day. */
export const organizationUsage = z.object({
  organization: z.string(),
  executions: count,
  cpu_seconds: z.number().nonnegative(),
  bytes: count.describe("into and out of sandboxes"),
  refused: count.describe("requests that were answered with 4xx"),
});
export type OrganizationUsage = z.infer<typeof organizationUsage>;

/** UTC days as numbers of days since 1970, both inclusive. */
export interface DayRange {
  from: number;
  to: number;
}

export function dayNumber(at: number): number {
  return Math.floor(at / DAY_MS);
}

/** `2026-11-26` */
export function dateOfDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

export function sumUsage(days: readonly DayUsage[]): TotalUsage {
  const total: TotalUsage = {
    executions: { completed: 0, failed: 0, incomplete: 0, cancelled: 0, errored: 0 },
    cpu_seconds: 0,
    bytes_in: 0,
    bytes_out: 0,
  };
  let cpuMs = 0;
  for (const day of days) {
    for (const status of Object.keys(total.executions) as Array<keyof TotalUsage["executions"]>)
      total.executions[status] += day.executions[status];
    cpuMs += Math.round(day.cpu_seconds * 1000);
    total.bytes_in += day.bytes_in;
    total.bytes_out += day.bytes_out;
  }
  return { ...total, cpu_seconds: cpuMs / 1000 };
}
