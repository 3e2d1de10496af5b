import { z } from "zod";

const DAY_MS = 24 * 60 * 60 * 1000;
const count = z.number().int().nonnegative();

/** How many executions ended, by how, and what they used. */
const used = {
  executions: z.object({ completed: count, failed: count, incomplete: count, cancelled: count, errored: count }),
  cpu_seconds: z.number().nonnegative().describe("of the attempts that ended; one that was lost with its worker is not counted"),
  bytes_in: count.describe("code, stdin and files sent into sandboxes"),
  bytes_out: count.describe("stdout and stderr written, and files kept"),
};

export const dayUsage = z.object({ date: z.iso.date().describe("UTC day on which they ended"), ...used });
export type DayUsage = z.infer<typeof dayUsage>;
export const totalUsage = z.object(used);
export type TotalUsage = z.infer<typeof totalUsage>;

/** UTC days by their number since 1970, both included. */
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
