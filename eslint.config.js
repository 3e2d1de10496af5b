import tseslint from "typescript-eslint";

/** Biome does the linting; these two rules need types and are the ones that cost us most when broken. */
// The data folder may hold the root file system of a sandbox, with scripts of its own.
export default tseslint.config(
  { ignores: ["data/", "dist/"] },
  {
    files: ["src/**/*.ts", "test/**/*.ts", "bench/**/*.ts"],
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      // An async Express 5 handler is awaited by Express, and event listeners answer for their own errors.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
    },
  },
);
