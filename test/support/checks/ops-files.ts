import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";

/** The contents of `ops/`. */
const read = (path: string) => readFileSync(new URL(`../../../ops/${path}`, import.meta.url), "utf8");

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  targets?: Array<{ expr: string; legendFormat: string }>;
}

const rules = (parse(read("prometheus/rules.yml")) as { groups: Array<{ rules: Rule[] }> }).groups.flatMap((group) => group.rules);
export const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);
export const records = rules.filter((rule): rule is Rule & { record: string } => rule.record !== undefined);

interface Dashboard {
  panels: Panel[];
  templating: { list: Array<{ type: string; query: string | { query: string } }> };
}

const dashboards = readdirSync(new URL("../../../ops/grafana/dashboards/", import.meta.url)).map(
  (file) => JSON.parse(read(`grafana/dashboards/${file}`)) as Dashboard,
);
export const panels = dashboards.flatMap((dashboard) => dashboard.panels);

/** Where the variables of the dashboards get their values: `label_values(SERIES, LABEL)`. */
export const variableQueries = [
  ...new Set(
    dashboards.flatMap(({ templating }) => templating.list.flatMap(({ query }) => (typeof query === "string" ? [] : [query.query]))),
  ),
];

export const runbooks = new Map(
  readdirSync(new URL("../../../ops/runbooks/", import.meta.url)).map((file) => [file.replace(/\.md$/, ""), read(`runbooks/${file}`)]),
);

/** Command lines of a runbook without their comments. */
export function commandsOf(runbook: string): string[] {
  const blocks = [...runbook.matchAll(/^```\n(.*?)^```$/gms)].map(([, block]) => block as string);
  return blocks.flatMap((block) => block.trim().split("\n")).map((line) => line.replace(/ {3}# .*$/, ""));
}

export const ruleTests = (
  parse(read("prometheus/rules.test.yml")) as { tests: Array<{ alert_rule_test: Array<{ alertname: string; exp_alerts: unknown[] }> }> }
).tests.flatMap((one) => one.alert_rule_test);

/** Every query of panels, alerts and recordings. */
export const queries = [...panels.flatMap((panel) => panel.targets ?? []), ...rules].map(({ expr }) => expr);

/**
 * The vectors of an alert without its comparisons: these must have data in normal operation. The expression is split at the
 * operators between vectors; `absent(…)` stays silent because its argument has data.
 */
export function inputsOf(expr: string): string[] {
  const inside = /^absent\((.*)\)$/s.exec(expr)?.[1] ?? expr;
  return inside.split(/ and on \(instance\) | and /).map((part) => part.replace(/\s(==|!=|<|>|<=|>=)\s[^<>=!(){}]+$/, "").trim());
}

/** Names of metrics in a query, without functions and labels. */
export function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"/g, '""')
    .replace(/\{[^}]*\}/g, "")
    .replace(/\b(by|on) \([^)]*\)/g, "");
  return [...new Set(bare.match(/\b(code_interpreter[:_][a-z0-9_:]+|nodejs_[a-z0-9_]+|process_[a-z0-9_]+|up)\b/g) ?? [])];
}
