import { spawnSync } from "node:child_process";
import { root } from "./setup.mjs";

/**
 * `npm run audit`: known vulnerabilities in shipped packages. Exit code 0: none. 1: some, listed. 2: not checked, because the
 * registry has no audit API, as many mirrors; `npm run audit -- --registry https://…` uses another.
 */
const given = process.argv.slice(2);
const asked = spawnSync("npm", ["audit", "--omit=dev", "--json", ...given], { cwd: root, encoding: "utf8" });
const answer = parse(asked.stdout);
if (answer?.metadata?.vulnerabilities === undefined) {
  console.error(`Not checked: ${answer?.message ?? asked.stderr.trim().split("\n")[0] ?? "npm gave no answer"}`);
  process.exitCode = 2;
} else {
  const { total } = answer.metadata.vulnerabilities;
  for (const [name, { severity, range }] of Object.entries(answer.vulnerabilities)) console.error(`${name} ${range}: ${severity}`);
  console.log(`${total} known vulnerabilities in shipped packages`);
  if (total > 0) process.exitCode = 1;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
