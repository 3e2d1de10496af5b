import { type DayRange, type DayUsage, dateOfDay } from "../../domain/usage.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";

/** Reads the counters of the finish script. A day without executions is all zeros. */
export async function readUsage(redis: RedisClient, keys: Keys, organization: string, { from, to }: DayRange): Promise<DayUsage[]> {
  const days = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const read = redis.pipeline();
  for (const day of days) read.hgetall(keys.usage(organization, day));
  const replies = (await read.exec()) ?? [];
  return days.map((day, at) => {
    const [error, fields] = replies[at] ?? [new Error("the pipeline was discarded"), null];
    if (error !== null) throw error;
    return usageOf(day, fields as Record<string, string>);
  });
}

function usageOf(day: number, fields: Record<string, string>): DayUsage {
  const count = (name: string) => Number(fields[name] ?? 0);
  return {
    date: dateOfDay(day),
    executions: {
      completed: count("completed"),
      failed: count("failed"),
      incomplete: count("incomplete"),
      cancelled: count("cancelled"),
      errored: count("errored"),
    },
    cpu_seconds: count("cpu_ms") / 1000,
    bytes_in: count("bytes_in"),
    bytes_out: count("bytes_out"),
  };
}
