import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { alerts } from "../../support/checks/ops-files.ts";

interface Inhibition {
  source_matchers: string[];
  target_matchers: string[];
  equal: string[];
}
const config = parse(readFileSync(new URL("../../../ops/alertmanager/alertmanager.yml", import.meta.url), "utf8")) as {
  route: { receiver: string; group_by: string[]; routes: Array<{ receiver: string; matchers: string[] }> };
  receivers: Array<{ name: string }>;
  inhibit_rules: Inhibition[];
};
const names = (matchers: string[]) => matchers.flatMap((matcher) => /^alertname =~? "(.*)"$/.exec(matcher)?.[1]?.split("|") ?? [matcher]);
const rules = config.inhibit_rules.map((rule) => ({ sources: names(rule.source_matchers), targets: names(rule.target_matchers) }));

test("each alert that an inhibition names exists, and each routed severity has a receiver", () => {
  const known = alerts.map(({ alert }) => alert);
  expect(rules.flatMap(({ sources, targets }) => [...sources, ...targets]).filter((name) => !known.includes(name))).toEqual([]);
  const receivers = config.receivers.map(({ name }) => name);
  for (const { receiver } of [config.route, ...config.route.routes]) expect(receivers).toContain(receiver);
});

test("no two alerts silence each other, so one of them is always heard", () => {
  const silences = new Map<string, Set<string>>();
  for (const { sources, targets } of rules)
    for (const source of sources) silences.set(source, new Set([...(silences.get(source) ?? []), ...targets]));
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    for (const next of silences.get(from) ?? []) if (!seen.has(next)) reached(next, seen.add(next));
    return seen;
  };
  for (const source of silences.keys()) expect(reached(source), source).not.toContain(source);
});

test("one cause is one page: what frozen engines and a full Redis fire is silenced but for its cause", () => {
  const heard = (firing: string[]) =>
    firing.filter(
      (name) => !rules.some(({ sources, targets }) => targets.includes(name) && sources.some((source) => firing.includes(source))),
    );
  expect(heard(["EngineAway", "ErroredShareHigh", "QueueStuck", "PoolEmpty", "SandboxesDoNotStart", "ProbeFails"])).toEqual(["EngineAway"]);
  expect(heard(["RedisAway", "RedisRefusesWrites", "ResultsNotStored", "ApiErrors", "ProbeFails"])).toEqual(["RedisRefusesWrites"]);
  expect(heard(["NoApiServes", "ProcessDown", "ProbeFails"])).toEqual(["NoApiServes"]);
});
