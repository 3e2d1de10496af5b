import { dayNumber, type OrganizationUsage, type UsageMeasure, usageMeasures } from "../domain/usage.ts";
import type { Metrics } from "../observe/metrics.ts";

type ReadTopUsage = (wanted: { day: number; by: UsageMeasure; limit: number }) => Promise<OrganizationUsage[]>;

/** Each scrape reads the organizations with the largest use of this UTC day: at most `count` for each measure. */
export function showOrganizations(metrics: Metrics, { count, topUsage }: { count: number; topUsage: ReadTopUsage }): void {
  if (count === 0) return;
  Object.assign(metrics.organizationToday, {
    collect: async () => {
      const day = dayNumber(Date.now());
      const read = await Promise.all(usageMeasures.map((by) => topUsage({ day, by, limit: count }))).catch(() => null);
      // Without Redis the series end. An old number would look like a standstill.
      metrics.organizationToday.reset();
      for (const [at, measure] of usageMeasures.entries()) {
        for (const used of read?.[at] ?? []) metrics.organizationToday.set({ organization: used.organization, measure }, used[measure]);
      }
    },
  });
}
