/**
 * Who may import whom, as in ARCHITECTURE.md: each folder of src lists all it may reach besides itself; every other
 * edge is refused, and so is every cycle. `bin` wires everything and is reached by nobody.
 */
const leaves = ["limits.ts", "errors.ts"];
const shared = [...leaves, "observe"];
const mayImport = {
  execution: leaves,
  wire: ["json-shape.ts", ...leaves],
  "limits.ts": [],
  "errors.ts": [],
  "config.ts": ["limits.ts", "redis-address.ts"],
  "redis-address.ts": [],
  "kept-bytes.ts": [],
  "json-shape.ts": [],
  "keys.ts": ["execution", ...leaves],
  observe: ["execution", ...leaves],
  files: ["execution", "redis-address.ts", "kept-bytes.ts", ...shared],
  engine: ["wire", "execution", ...shared],
  docker: ["engine", "wire", "execution", ...shared],
  oci: ["engine", "wire", "execution", ...shared],
  queue: ["execution", "redis-address.ts", "kept-bytes.ts", ...shared],
  assistant: ["execution", "redis-address.ts", "kept-bytes.ts", ...shared],
  mcp: ["execution", ...shared],
  receipts: ["execution", ...leaves],
  http: ["queue", "files", "assistant", "mcp", "receipts", "execution", "keys.ts", "redis-address.ts", "json-shape.ts", ...shared],
};

const place = (name) => (name.endsWith(".ts") ? `^src/${name.replace(".", "\\.")}$` : `^src/${name}/`);
const known = Object.keys(mayImport);

/** Packages that one folder alone may know. */
const owners = { dockerode: ["docker"], bullmq: ["queue"], express: ["http", "mcp", "bin"], commander: ["bin"], jose: ["receipts"] };

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "every-folder-has-rules",
      comment: "a new folder of src needs its line in mayImport",
      severity: "error",
      from: { path: "^src/", pathNot: [...known.map(place), "^src/bin/"] },
      to: {},
    },
    { name: "nobody-imports-bin", severity: "error", from: { pathNot: "^src/bin/" }, to: { path: "^src/bin/" } },
    ...known.map((name) => ({
      name: `${name}-imports-only-what-it-may`,
      severity: "error",
      from: { path: place(name) },
      to: { path: "^src/", pathNot: [name, ...mayImport[name]].map(place) },
    })),
    ...Object.entries(owners).map(([library, folders]) => ({
      name: `${library}-stays-in-${folders.join("-and-")}`,
      severity: "error",
      from: { path: "^src/", pathNot: folders.map(place) },
      to: { path: `(^|/)node_modules/(@types/)?${library}/` },
    })),
    {
      name: "no-dev-packages-in-src",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default", "types"] },
  },
};
