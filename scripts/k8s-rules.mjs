import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Writes ops/prometheus/rules.yml as the Prometheus operator's object. A test compares the two.
 * With RUNBOOKS_URL, `runbook_url` of each alert is a page below that address instead of a path of this repository. `--print` writes to stdout.
 */
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const rules = readFileSync(path.join(root, "ops/prometheus/rules.yml"), "utf8");
const runbooks = process.env.RUNBOOKS_URL?.replace(/\/*$/, "") || "ops/runbooks";
const groups = rules.slice(rules.search(/^groups:/m)).replaceAll("runbook_url: ops/runbooks/", `runbook_url: ${runbooks}/`);
const head = `# Made from ops/prometheus/rules.yml by: npm run k8s-rules
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: code-interpreter, namespace: code-interpreter }
spec:
`;
const made = head + groups.replace(/^(?=.)/gm, "  ");
if (process.argv.includes("--print")) process.stdout.write(made);
else writeFileSync(path.join(root, "k8s/components/prometheus/rules.yaml"), made);
