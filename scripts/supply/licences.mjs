import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** Licences that require only a notice or, like MPL-2.0, the source of changes to their own files. */
const allowed = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MPL-2.0",
  "Python-2.0",
  "Unlicense",
]);

/** Packages without a licence in their package.json, with that of their LICENSE or README. Used only by tests. */
const fromReadme = { "humanize-number": "MIT", only: "MIT" };

/** Every package of the lockfile as {name, version, licence, dev}; a licence that is not stated is "unknown". */
export function readLicences(root) {
  const { packages } = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages)
    .filter(([place]) => place !== "")
    .map(([place, { version, license, dev = false }]) => {
      const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, licence: license ?? licenceIn(path.join(root, place)) ?? fromReadme[name] ?? "unknown", dev };
    });
}

/** Packages whose licence is not on the list. Of alternatives one is enough, of a conjunction all are needed. */
export function refused(found) {
  return found.filter(({ licence }) => !isAllowed(licence));
}

function isAllowed(expression) {
  const plain = expression.replace(/[()]/g, "");
  return plain.split(" OR ").some((choice) => choice.split(" AND ").every((licence) => allowed.has(licence)));
}

/** Older forms of the field, which lockfiles omit. */
function licenceIn(folder) {
  const file = path.join(folder, "package.json");
  if (!existsSync(file)) return undefined;
  const { license, licenses } = JSON.parse(readFileSync(file, "utf8"));
  if (Array.isArray(licenses)) return licenses.map(({ type }) => type).join(" OR ");
  return typeof license === "string" ? license : license?.type;
}
