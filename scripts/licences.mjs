import { root } from "./setup.mjs";
import { readLicences, refused } from "./supply/licences.mjs";

/** `npm run licences`: licences of all dependencies; fails if one is not on the list. */
const found = readLicences(root);
for (const kind of [false, true]) {
  const counts = {};
  for (const { licence, dev } of found) if (dev === kind) counts[licence] = (counts[licence] ?? 0) + 1;
  console.log(`\n${kind ? "Tests and builds only" : "Shipped with the service"}`);
  for (const [licence, count] of Object.entries(counts).sort((a, b) => b[1] - a[1]))
    console.log(`  ${String(count).padStart(4)}  ${licence}`);
}
if (process.argv.includes("--list")) {
  for (const { name, version, licence } of found.filter(({ dev }) => !dev)) console.log(`${name}@${version}\t${licence}`);
}
for (const { name, version, licence } of refused(found))
  console.error(`${name}@${version}: ${licence} is not on the list in scripts/supply/licences.mjs`);
if (refused(found).length > 0) process.exitCode = 1;
