import type { Express } from "express";
import type { AppDeps } from "../core/deps.ts";

export type HealthDeps = Pick<AppDeps, "readiness" | "stopping" | "draining" | "warnings">;

/** Adds `<prefix>/health/live` and `<prefix>/health/ready`, for probes without a key. */
export function addHealth(app: Express, deps: HealthDeps, prefix = ""): void {
  app.get(`${prefix}/health/live`, (_request, response) => {
    response.json({ status: "ok" });
  });
  app.get(`${prefix}/health/ready`, async (_request, response) => {
    const checks = await readyChecks(deps);
    const ready = Object.values(checks).every(Boolean);
    const warnings = deps.warnings?.() ?? [];
    response.status(ready ? 200 : 503).json({
      status: ready ? "ready" : "not_ready",
      checks,
      ...(warnings.length === 0 ? {} : { warnings }),
    });
  });
}

/** The conditions, by name, under which this process can take work. */
export async function readyChecks({ readiness, stopping, draining = stopping }: HealthDeps): Promise<Record<string, boolean>> {
  return { ...(await readiness()), accepting: !draining.aborted };
}
