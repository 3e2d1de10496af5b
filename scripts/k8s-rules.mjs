import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Writes ops/prometheus/rules.yml as the Prometheus operator's object. A test compares the two. */
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const rules = readFileSync(path.join(root, "ops/prometheus/rules.yml"), "utf8");
const groups = rules.slice(rules.search(/^groups:/m));
const head = `# Made from ops/prometheus/rules.yml by: npm run k8s-rules
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: code-interpreter, namespace: code-interpreter }
spec:
`;
writeFileSync(path.join(root, "k8s/components/prometheus/rules.yaml"), head + groups.replace(/^(?=.)/gm, "  "));
