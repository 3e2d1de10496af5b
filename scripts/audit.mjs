import { spawnSync } from "node:child_process";
import { root } from "./setup.mjs";

/**
 * `npm run audit`: known faults in what the service ships. 0: none. 1: some, listed by npm. 2: the registry in use answers no such
 * question, as mirrors often do not, so nothing was checked; `npm run audit -- --registry https://…` asks another.
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
  console.log(`${total} known faults in what is shipped`);
  if (total > 0) process.exitCode = 1;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
