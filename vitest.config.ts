import { defineConfig } from "vitest/config";

/** One project a suite. Those that start containers run one file after the other: two at once would measure each other. */
const alone = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "oci",
          include: ["oci", "contract/limits", "contract/engine", "attacks"]
            .map((folder) => `test/${folder}/**/*.test.ts`)
            .concat("test/contract/leaks.test.ts"),
          env: { ENGINE: "oci" },
          ...alone,
        },
      },
      { test: { name: "faults", include: ["test/faults/**/*.test.ts"], ...alone } },
      { test: { name: "attacks", include: ["test/attacks/**/*.test.ts"], ...alone } },
      { test: { name: "clients", include: ["test/clients/**/*.test.ts"], ...alone } },
      { test: { name: "ops", include: ["test/ops/**/*.test.ts"], ...alone } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...alone } },
    ],
  },
});
