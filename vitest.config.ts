import { defineConfig } from "vitest/config";

/** Two files run at a time. The timeouts leave room for a busy machine. */
const two = { maxWorkers: 2, testTimeout: 120_000, hookTimeout: 180_000 };
/** All files of a worker share its modules: importing them anew for each file costs as much as the tests. */
const shared = { maxWorkers: 2, isolate: false, testTimeout: 30_000, hookTimeout: 60_000 };

/**
 * Tests that run on the second engine as well: those that depend on the sandbox. The command line, the playground, metric
 * names and fairness do not.
 */
const onBothEngines = [
  "contract/limits/**/*.test.ts",
  "contract/engine/**/*.test.ts",
  "contract/leaks.test.ts",
  "neighbours/**/*.test.ts",
  "attacks/**/*.test.ts",
  "clients/*.test.ts",
  "e2e/{main-job,mcp-servers,processes,sessions,tools}.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], ...shared } },
      { test: { name: "api", include: ["test/api/**/*.test.ts"], ...shared } },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts", "test/neighbours/**/*.test.ts"],
          ...two,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "oci",
          include: ["oci/**/*.test.ts", ...onBothEngines].map((files) => `test/${files}`),
          env: { ENGINE: "oci" },
          ...two,
        },
      },
      { test: { name: "faults", include: ["test/faults/**/*.test.ts"], ...two } },
      // Run on request: npm test -- own-linux, npm run soak.
      { test: { name: "own-linux", include: ["test/own-linux/**/*.test.ts"], ...two } },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], ...two } },
      { test: { name: "attacks", include: ["test/attacks/**/*.test.ts"], ...two } },
      { test: { name: "clients", include: ["test/clients/**/*.test.ts"], ...two } },
      { test: { name: "charts", include: ["test/charts/**/*.test.ts"], ...two } },
      { test: { name: "ops", include: ["test/ops/**/*.test.ts"], ...two } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...two } },
    ],
  },
});
