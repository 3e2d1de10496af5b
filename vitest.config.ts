import { defineConfig } from "vitest/config";

/** One project a suite. Files wait more than they compute, so two run at once; bounds on time in them leave room for that. */
const two = { maxWorkers: 2, testTimeout: 120_000, hookTimeout: 180_000 };

/**
 * What runs again on the second engine: everything that knows a sandbox. Left out are the command line, the page and the
 * metrics' names, which are on this side of HTTP and the same code, and fairness, which is the queue's alone.
 */
const onBothEngines = [
  "contract/limits/**/*.test.ts",
  "contract/engine/**/*.test.ts",
  "contract/leaks.test.ts",
  "attacks/**/*.test.ts",
  "clients/**/*.test.ts",
  "e2e/{main-job,processes,sessions}.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      // Generated cases take their time on a busy machine.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, maxWorkers: 2 } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], ...two, testTimeout: 30_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "oci",
          include: ["oci/**/*.test.ts", ...onBothEngines].map((files) => `test/${files}`),
          env: { ENGINE: "oci" },
          ...two,
        },
      },
      { test: { name: "faults", include: ["test/faults/**/*.test.ts"], ...two } },
      // Not suites of a plain npm test: npm test -- own-linux, npm run soak.
      { test: { name: "own-linux", include: ["test/own-linux/**/*.test.ts"], ...two } },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], ...two } },
      { test: { name: "attacks", include: ["test/attacks/**/*.test.ts"], ...two } },
      { test: { name: "clients", include: ["test/clients/**/*.test.ts"], ...two } },
      { test: { name: "ops", include: ["test/ops/**/*.test.ts"], ...two } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...two } },
    ],
  },
});
