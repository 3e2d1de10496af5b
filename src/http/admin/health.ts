import type { Express } from "express";
import type { AppDeps } from "../core/deps.ts";

/** Adds `<prefix>/health/live` and `<prefix>/health/ready`, for probes that hold no key. */
export function addHealth(app: Express, deps: Pick<AppDeps, "readiness" | "stopping">, prefix = ""): void {
  app.get(`${prefix}/health/live`, (_request, response) => {
    response.json({ status: "ok" });
  });
  app.get(`${prefix}/health/ready`, async (_request, response) => {
    const checks = await readyChecks(deps);
    const ready = Object.values(checks).every(Boolean);
    response.status(ready ? 200 : 503).json({ status: ready ? "ready" : "not_ready", checks });
  });
}

/** What has to hold for this process to be sent work, by name. */
export async function readyChecks({ readiness, stopping }: Pick<AppDeps, "readiness" | "stopping">): Promise<Record<string, boolean>> {
  return { ...(await readiness()), accepting: !stopping.aborted };
}
