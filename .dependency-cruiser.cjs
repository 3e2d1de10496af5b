/**
 * The import rules of ARCHITECTURE.md. Each room of `src` lists the rooms that it may import. Every other edge fails,
 * and so does every cycle of files. `main` and `cli` wire the rooms together, and no room imports them.
 */
const mayImport = {
  domain: [],
  util: [],
  observe: ["domain", "util"],
  keys: ["domain", "util"],
  receipts: ["domain", "util"],
  redis: ["observe", "util"],
  files: ["domain", "observe", "redis"],
  app: ["domain"],
  queue: ["app", "domain", "observe", "redis", "util"],
  sandbox: ["domain", "observe", "util"],
  readable: ["domain"],
  "tool-servers": ["app", "domain", "observe", "util"],
  mcp: ["domain", "observe", "readable"],
  assistant: ["app", "domain", "observe", "readable", "redis", "util"],
  http: ["app", "assistant", "domain", "files", "keys", "mcp", "observe", "receipts", "redis", "util"],
  cli: ["domain", "keys", "observe", "readable", "receipts", "util"],
};

/** Rooms inside a room that may not import each other. */
const apart = [
  ["sandbox/docker", "sandbox/oci"],
  ["sandbox/oci", "sandbox/docker"],
  ["sandbox/(wire|pool|run|selfcheck)", "sandbox/(docker|oci)"],
  ["sandbox/(wire|pool)", "sandbox/selfcheck"],
  ["sandbox/wire", "sandbox/pool"],
  ["http/(core|openapi)", "http/(executions|files|containers|assistants|conversations|mcp|admin|pages)"],
  ["queue/core", "queue/(executions|worker|sessions|tools|usage|webhooks)"],
  ["assistant/(model|views)", "assistant/(loop|store)"],
];

/** Packages that only these rooms may import. */
const owners = {
  dockerode: ["sandbox/docker"],
  bullmq: ["queue"],
  express: ["http", "mcp", "main"],
  commander: ["cli"],
  jose: ["receipts"],
  "@modelcontextprotocol/client": ["tool-servers"],
  htmlparser2: ["readable"],
};

const room = (name) => `^src/${name}/`;
const rooms = Object.keys(mayImport);

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "every-room-has-rules",
      comment: "A new folder of src needs its line in mayImport.",
      severity: "error",
      from: { path: "^src/", pathNot: [...rooms, "main"].map(room) },
      to: {},
    },
    ...["main", "cli"].map((name) => ({
      name: `no-room-imports-${name}`,
      severity: "error",
      from: { pathNot: room(name) },
      to: { path: room(name) },
    })),
    ...rooms.map((name) => ({
      name: `${name}-imports-only-its-rooms`,
      severity: "error",
      from: { path: room(name) },
      to: { path: "^src/", pathNot: [name, ...mayImport[name]].map(room) },
    })),
    ...apart.map(([from, to]) => ({
      name: `${from}-apart-from-${to}`,
      severity: "error",
      from: { path: room(from) },
      to: { path: room(to) },
    })),
    ...Object.entries(owners).map(([library, owned]) => ({
      name: `${library}-stays-in-${owned.join("-and-")}`,
      severity: "error",
      from: { path: "^src/", pathNot: owned.map(room) },
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
