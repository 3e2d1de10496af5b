import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { alerts, inputsOf, metricsIn, panels, queries, records, ruleTests, runbooks } from "../../support/watch.ts";

const folder = new URL("../../../ops/prometheus/", import.meta.url).pathname;
const promtool = (...args: string[]) => {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { cwd: folder, encoding: "utf8" });
  expect(error).toBeUndefined();
  return { status, text: stdout + stderr };
};
const ours = makeMetrics().registry.getMetricsAsArray() as unknown as Array<{ name: string; help: string; type: string }>;
const namesOf = ({ name, type }: { name: string; type: string }) =>
  type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];

test("promtool accepts configuration and rules, and the rules' own tests pass", { timeout: 60_000 }, () => {
  for (const args of [
    ["check", "config", "prometheus.yml"],
    ["check", "rules", "rules.yml"],
    ["test", "rules", "rules.test.yml"],
  ]) {
    const { status, text } = promtool(...args);
    expect(text).not.toMatch(/FAILED|error/i);
    expect(status).toBe(0);
  }
});

test("each alert has a test that makes it fire", () => {
  const fired = ruleTests.filter((one) => one.exp_alerts.length > 0).map((one) => one.alertname);
  expect(alerts.map(({ alert }) => alert).filter((name) => !fired.includes(name))).toEqual([]);
});

test("each alert has one runbook, and each runbook an alert", () => {
  expect([...runbooks.keys()].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  for (const { alert, annotations, labels } of alerts) {
    expect(annotations?.runbook).toBe(`ops/runbooks/${alert}.md`);
    expect(["page", "ticket"]).toContain(labels?.severity);
  }
});

test.each([...runbooks])("the runbook of %s says what it means, who is hurt, where to look, what to do, when it is over", (name, text) => {
  const headings = [...text.matchAll(/^#+ .*/gm)].map(([heading]) => heading);
  expect(headings).toEqual([`# ${name}`, "## Who is hurt", "## Look at", "## Do", "## It is over when"]);
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
