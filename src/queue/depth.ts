import type { Queue } from "bullmq";
import type { Metrics } from "../observe/metrics.ts";

export interface Depth {
  waiting: number;
  active: number;
}

/** Every job of ours has a priority, so the waiting ones are in BullMQ's prioritized set, and for a moment in its list. */
export async function countJobs(queue: Queue): Promise<Depth> {
  const counts = await queue.getJobCounts("wait", "prioritized", "active");
  return { waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0), active: counts.active ?? 0 };
}

/** Lets the gauge ask at each scrape. With Redis away it keeps its last values: a scrape must not fail for it. */
export function collectDepth(metrics: Metrics, depth: () => Promise<Depth>): void {
  const collect = async () => {
    try {
      const { waiting, active } = await depth();
      metrics.queueDepth.set({ state: "waiting" }, waiting);
      metrics.queueDepth.set({ state: "active" }, active);
    } catch {
      // The absence itself is visible in health/ready and in the log.
    }
  };
  // The registry asks every metric that has this method; its types know it only as a constructor option.
  Object.assign(metrics.queueDepth, { collect });
}
