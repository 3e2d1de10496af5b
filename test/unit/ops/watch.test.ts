import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { limitDefaults, operatorLimits } from "../../../src/domain/limits.ts";
import { describeVariables, limitVariable } from "../../../src/main/config.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { alerts, commandsOf, inputsOf, metricsIn, panels, queries, records, ruleTests, runbooks } from "../../support/checks/ops-files.ts";

const ours = makeMetrics().registry.getMetricsAsArray() as unknown as Array<{ name: string; help: string; type: string }>;
const root = new URL("../../../", import.meta.url).pathname;
const namesOf = ({ name, type }: { name: string; type: string }) =>
  type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];

test("each alert has a test that makes it fire", () => {
  const fired = ruleTests.filter((one) => one.exp_alerts.length > 0).map((one) => one.alertname);
  expect(alerts.map(({ alert }) => alert).filter((name) => !fired.includes(name))).toEqual([]);
});

test("each alert has one runbook, and each runbook an alert", () => {
  expect([...runbooks.keys()].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  for (const { alert, annotations, labels } of alerts) {
    expect(annotations?.runbook_url).toBe(`ops/runbooks/${alert}.md`);
    expect(["page", "ticket"]).toContain(labels?.severity);
  }
});

test("an annotation shows each number as a person reads it: rounded, and with a unit of people", () => {
  for (const { alert, annotations } of alerts) {
    const shown = [...(annotations?.summary ?? "").matchAll(/\{\{(.*?)\}\}/g)].map(([, text]) => (text as string).trim());
    const readable = /^(\$labels\.\w+|\$value \| humanize(Percentage|Duration)|printf "%\.[0-2]f" \$value)$/;
    expect(
      shown.filter((text) => !readable.test(text)),
      alert,
    ).toEqual([]);
  }
});

test("a duration in an annotation is longer than a second, because humanizeDuration shows less as 597.9ms", () => {
  for (const { alert, expr, annotations } of alerts.filter((one) => one.annotations?.summary?.includes("humanizeDuration"))) {
    const bounds = [...expr.matchAll(/> (\d+)/g)].map(([, bound]) => Number(bound));
    expect(Math.max(...bounds), alert).toBeGreaterThanOrEqual(60);
    expect(annotations).toBeDefined();
  }
});

test("RUNBOOKS_URL puts an address before each page, and the copy for Kubernetes has none", () => {
  const copy = readFileSync(`${root}k8s/components/prometheus/rules.yaml`, "utf8");
  const pages = (text: string) => [...text.matchAll(/runbook_url: (\S+)/g)].map(([, page]) => page);
  expect(pages(copy)).toEqual(alerts.map(({ alert }) => `ops/runbooks/${alert}.md`));
  const env = { ...process.env, RUNBOOKS_URL: "https://wiki.example.com/pages/" };
  const printed = execFileSync(process.execPath, [`${root}scripts/k8s-rules.mjs`, "--print"], { env, encoding: "utf8" });
  expect(pages(printed)).toEqual(alerts.map(({ alert }) => `https://wiki.example.com/pages/${alert}.md`));
});

test.each([...runbooks])("the runbook of %s has every section, and says when it is done", (name, text) => {
  const headings = [...text.matchAll(/^#+ .*/gm)].map(([heading]) => heading);
  const sections = ["What it means", "Is it hurting callers", "Find the cause", "Fix", "If that fails"];
  expect(headings).toEqual([`# ${name}`, ...sections.map((section) => `## ${section}`)]);
  expect(text).toContain("\nDone when ");
  for (const [, page] of text.matchAll(/\]\((\w+)\.md\)/g)) expect([...runbooks.keys()]).toContain(page);
});

const known = [...ours.flatMap(namesOf), ...records.map(({ record }) => record), "up"];

test("every metric that a query names exists", () => {
  expect([...new Set(queries.flatMap(metricsIn))].filter((name) => !known.includes(name))).toEqual([]);
});

test("every metric that a runbook names exists; a pattern's first part begins one", () => {
  const named = [...runbooks.values()].flatMap((text) => text.match(/\b(?:code_interpreter[:_]|nodejs_|process_)[a-z0-9_:]+/g) ?? []);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !known.some((one) => one.startsWith(name)))).toEqual([]);
});

const commands = [...runbooks].flatMap(([name, text]) => commandsOf(text).map((command) => [name, command] as const));

test("runbooks give commands, each for a program that is there where the service is", () => {
  expect(commands.length).toBeGreaterThan(30);
  const programs = commands.map(([, command]) => command.split(" ")[0]);
  expect([...new Set(programs)].sort()).toEqual(["curl", "df", "docker", "redis-cli", "uptime"]);
});

test("every service that a runbook names to docker compose is one of docker-compose.yml", () => {
  const { services } = parse(readFileSync(`${root}docker-compose.yml`, "utf8"), { merge: true }) as { services: object };
  const lines = commands.filter(([, command]) => command.startsWith("docker compose "));
  const named = lines.flatMap(([, command]) => /^docker compose (?:logs|ps)(?: --tail \d+)?(?: ([a-z]+))?/.exec(command)?.[1] ?? []);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !(name in services))).toEqual([]);
});

test("every line that a runbook looks for in a log is one that the service writes", () => {
  const source = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(`${root}src/${file}`, "utf8"))
    .join("\n");
  const patterns = commands
    .filter(([, command]) => command.startsWith("docker compose logs"))
    .flatMap(([, command]) => [...command.matchAll(/grep (?:-E )?'([^']+)'/g)].map(([, pattern]) => pattern as string))
    // Fields of every line.
    .filter((pattern) => !pattern.startsWith('"'));
  // Of the system's own: errors of files.
  const sought = patterns.flatMap((pattern) => pattern.split("|")).filter((text) => !/^E[A-Z]+$/.test(text));
  expect(sought.length).toBeGreaterThan(5);
  expect(sought.filter((text) => !source.includes(text))).toEqual([]);
});

test("every variable and limit that a runbook names exists", () => {
  const variables = describeVariables().map(({ name }) => name);
  const limits = Object.keys(limitDefaults);
  const settings = operatorLimits.map(limitVariable);
  const text = [...runbooks.values()].join("\n");
  const set = [...text.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`/g)].map(([, name]) => name as string);
  expect(set.length).toBeGreaterThan(5);
  expect(set.filter((name) => !variables.includes(name) && !settings.includes(name as never))).toEqual([]);
  const bounds = [...text.matchAll(/`([a-z]+(?:[A-Z][a-z]+)*Max)`/g)].map(([, name]) => name as string);
  expect(bounds.filter((name) => !limits.includes(name))).toEqual([]);
});

test("every metric of ours is on a panel or in an alert", () => {
  const used = new Set(queries.flatMap(metricsIn));
  const unused = ours
    .filter(({ name }) => name.startsWith("code_interpreter_"))
    .filter((metric) => !namesOf(metric).some((name) => used.has(name)));
  expect(unused.map(({ name }) => name)).toEqual([]);
});

test("the help of each metric of ours is a sentence that its name does not say", () => {
  for (const { name, help } of ours.filter((metric) => metric.name.startsWith("code_interpreter_"))) {
    expect(help, name).toMatch(/^[A-Z1].{15,}\.$/);
  }
});

test("panels have distinct ids, a title, a description and queries", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const panel of panels.filter(({ type }) => type !== "row")) {
    expect(panel.description, panel.title).toMatch(/\.$/);
    expect(panel.targets?.length).toBeGreaterThan(0);
  }
});

test.each([
  ['up{job="a"} == 0', ['up{job="a"}']],
  ["sum(rate(a[5m])) / sum(b) > 0.02", ["sum(rate(a[5m])) / sum(b)"]],
  ["a > 14.4 * 0.001 and b > 6 * 0.001", ["a", "b"]],
  ["absent(a and on (instance) b == 1)", ["a", "b"]],
  ["time() - a > 3600", ["time() - a"]],
])("the inputs of %s are found", (expr, inputs) => {
  expect(inputsOf(expr)).toEqual(inputs);
});
