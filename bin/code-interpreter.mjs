#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(built)) await import(built.href);
else {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  console.error(`The command line is not built yet. Build it with: cd ${folder} && npm ci && npm run build (npm start does so too)`);
  process.exitCode = 125;
}
