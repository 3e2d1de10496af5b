import { expect, test } from "vitest";
import { errorCodes } from "../../../src/domain/errors.ts";
import { operatorLimits } from "../../../src/domain/limits.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";

/** Routes that a busy fleet uses, with the statuses that each answers with now and then. */
const ROUTES = 30;
const STATUSES = ["200", "202", "401", "404", "422", "429", "503"];
/** Most routes answer with few of them. */
const STATUSES_EACH = 3;

test("a busy process has fewer than 1,500 series", async () => {
  const metrics = makeMetrics();
  for (let route = 0; route < ROUTES; route++) {
    for (let at = 0; at < STATUSES_EACH; at++) {
      metrics.httpRequests.observe(
        { method: "GET", route: `/v1/route/${route}`, status: STATUSES[(route + at) % STATUSES.length] as string },
        1,
      );
    }
  }
  for (const code of errorCodes) metrics.admissionsRefused.inc({ code });
  for (const limit of operatorLimits) metrics.limit.set({ limit }, 1);
  for (const operation of ["ping", "info", "create", "attach", "start", "inspect", "stats", "wait", "remove", "list"]) {
    metrics.engineCalls.observe({ operation }, 1);
    metrics.engineErrors.inc({ operation });
  }
  for (const start of ["warm", "cold"]) metrics.acquire.observe({ start }, 1);
  const lines = (await metrics.registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  expect(lines.length).toBeGreaterThan(1_000);
  expect(lines.length).toBeLessThan(1_500);
});

test("a request of several minutes is told from one of an hour", () => {
  const metrics = makeMetrics();
  metrics.httpRequests.observe({ method: "POST", route: "/v1/executions", status: "200" }, 500);
  return expect(metrics.registry.metrics()).resolves.toMatch(/http_request_duration_seconds_bucket\{le="600",.*\} 1/);
});
