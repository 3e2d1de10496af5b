import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { schemaOf } from "./chart/schema.mjs";
import { templateOf } from "./chart/template.mjs";
import { changes } from "./chart/values-in-objects.mjs";

/**
 * Writes the parts of charts/code-interpreter that come from elsewhere: templates/made from the objects of k8s/, files from
 * ops/, and the schema of its values. A test compares them. With --out FOLDER it writes there.
 */
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const out = process.argv.includes("--out") ? process.argv[process.argv.indexOf("--out") + 1] : path.join(root, "charts/code-interpreter");

const sources = {
  "settings.yaml": "base/settings.yaml",
  "api.yaml": "base/api.yaml",
  "worker.yaml": "base/worker.yaml",
  "network.yaml": "base/network.yaml",
  "worker-pods-policy.yaml": "base/worker-pods-policy.yaml",
  "keda.yaml": "components/keda/scaled-object.yaml",
  "monitors.yaml": "components/prometheus/monitors.yaml",
};

for (const folder of ["templates/made", "files"]) {
  rmSync(path.join(out, folder), { recursive: true, force: true });
  mkdirSync(path.join(out, folder), { recursive: true });
}
for (const [name, source] of Object.entries(sources)) {
  const objects = parseAllDocuments(readFileSync(path.join(root, "k8s", source), "utf8")).map((document) => document.toJS());
  const head = `{{- /* Made from k8s/${source} by: npm run chart */}}\n`;
  const templates = objects.map((object) =>
    templateOf(object, changes[`${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name}`]),
  );
  writeFileSync(path.join(out, "templates/made", name), head + templates.join(""));
}
cpSync(path.join(root, "ops/prometheus/rules.yml"), path.join(out, "files/rules.yml"));
const dashboards = path.join(root, "ops/grafana/dashboards");
for (const file of readdirSync(dashboards)) cpSync(path.join(dashboards, file), path.join(out, "files/dashboards", file));
const values = parse(readFileSync(path.join(root, "charts/code-interpreter/values.yaml"), "utf8"));
writeFileSync(
  path.join(out, "values.schema.json"),
  `${JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", ...schemaOf(values) }, null, 2)}\n`,
);
