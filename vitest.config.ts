import { defineConfig } from "vitest/config";

/** One project a suite. Those that start containers run one file after the other: two at once would measure each other. */
const alone = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 };

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
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000 } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "oci",
          include: ["oci/**/*.test.ts", ...onBothEngines].map((files) => `test/${files}`),
          env: { ENGINE: "oci" },
          ...alone,
        },
      },
      // Each file has a Redis, workers and faults of its own, and waits more than it computes.
      { test: { name: "faults", include: ["test/faults/**/*.test.ts"], ...alone, fileParallelism: true, maxWorkers: 2 } },
      // Not suites of a plain npm test: npm test -- own-linux, npm run soak.
      { test: { name: "own-linux", include: ["test/own-linux/**/*.test.ts"], ...alone } },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], ...alone } },
      { test: { name: "attacks", include: ["test/attacks/**/*.test.ts"], ...alone } },
      { test: { name: "clients", include: ["test/clients/**/*.test.ts"], ...alone } },
      { test: { name: "ops", include: ["test/ops/**/*.test.ts"], ...alone } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...alone } },
    ],
  },
});
