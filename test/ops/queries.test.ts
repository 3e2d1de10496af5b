import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { alerts, commandsOf, inputsOf, panels, records, runbooks, variableQueries } from "../support/checks/ops-files.ts";
import { serveMcpTools } from "../support/servers/mcp-tools.mjs";
import { type ModelServer, startModelServer } from "../support/servers/model-server.ts";
import { startPrometheus, type TestPrometheus } from "../support/servers/prometheus.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

/** An api and a worker under a mixed load that goes on, and a real Prometheus that scrapes them. */
let service: TestService;
let model: ModelServer;
let receiver: http.Server;
let crm: Awaited<ReturnType<typeof serveMcpTools>>;
let prometheus: TestPrometheus;
let loading = true;
let load: Promise<unknown>;

const PATIENCE = { timeout: 90_000, interval: 500 };

beforeAll(async () => {
  [model, crm] = await Promise.all([startModelServer(), serveMcpTools()]);
  receiver = http.createServer((request, response) => request.resume().on("end", () => response.end()));
  await once(receiver.listen(0, "127.0.0.1"), "listening");
  const { port } = receiver.address() as { port: number };
  service = await prepareService();
  const servers = join(service.dataFolder, "servers.json");
  writeFileSync(servers, JSON.stringify({ crm: { url: crm.url } }));
  const env = {
    MCP_SERVERS: servers,
    MODEL_BASE_URL: model.baseUrl,
    MODEL_DEFAULT: "scripted",
    WEBHOOK_ALLOW_PRIVATE: "true",
    LIMIT_SELF_CHECK_INTERVAL_MS: "1000",
    METRICS_ORGANIZATIONS: "5",
  };
  const api = await service.start("api", env);
  const worker = await service.start("worker", env);
  const round = await callerOf(api, `http://127.0.0.1:${port}/`);
  await round();
  load = (async () => {
    while (loading) await round();
  })();
  const probeKey = join(service.dataFolder, "probe-key");
  writeFileSync(probeKey, await service.key("org_probe"));
  const probe = await service.start("probe", { PROBE_URL: api.url, PROBE_KEY_FILE: probeKey, PROBE_INTERVAL_MS: "1000" });
  prometheus = await startPrometheus([api.operationsUrl, worker.operationsUrl, probe.operationsUrl]);
  // The rules are the last to know: they need a few scrapes, and an evaluation after those.
  await vi.waitFor(async () => {
    for (const { record, labels } of records) expect(await recorded(record, labels?.slo ?? ""), record).toBe(1);
  }, PATIENCE);
}, 180_000);

afterAll(async () => {
  loading = false;
  await load;
  await prometheus?.stop();
  await service.stop();
  await model.stop();
  await crm.stop();
  receiver.close();
});

/** One of everything that a metric counts: ends of several kinds, files, a session, a webhook, a call to an MCP server, an assistant's response. */
async function callerOf(api: ServiceProcess, webhook: string): Promise<() => Promise<void>> {
  const { run, call } = client(api.url, await service.key("org_load"));
  const { json: session } = await call("POST", "/v1/containers", {});
  return async () => {
    await run({ code: "print(1)", webhook: { url: webhook, secret: "s".repeat(32) } });
    await run({ code: "1/0" });
    await run({ code: "crm.read_note(id=7)", mcp_servers: ["crm"] });
    await run({ code: "open('a.txt', 'w').write('a')", memory_mb: 256 });
    await run({ code: "x = 1", container: session.id });
    await call("GET", "/v1/containers/cntr_unknown");
    await call("POST", "/v1/responses", { tools: [{ type: "code_interpreter" }], inputs: [{ role: "user", content: "Say hello." }] });
  };
}

const recorded = (record: string, slo: string) => numbersOf(slo === "" ? record : `${record}{slo="${slo}"}`);

interface Row {
  metric: Record<string, string>;
  value: [number, string];
}

/** A query with the values of a dashboard's variables, as Grafana writes them: `.*` where a person has chosen all. */
function filled(expr: string, chosen: Record<string, string> = {}): string {
  const values = { namespace: ".*", instance: ".*", organization: ".*", __rate_interval: "1m", ...chosen };
  return expr.replace(/\$(\w+)/g, (_, name: keyof typeof values) => values[name]);
}

/** Rows with a number in them; a quantile of nothing is a row without one. */
async function rowsOf(expr: string, chosen?: Record<string, string>): Promise<Row[]> {
  const rows = (await prometheus.query(filled(expr, chosen))) as Row[];
  return rows.filter(({ value }) => !Number.isNaN(Number(value[1])));
}

const numbersOf = async (expr: string) => (await rowsOf(expr)).length;

const shown = panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => [title, expr] as const));

test("a process and a namespace that are chosen leave the others out of every panel", async () => {
  for (const [title, expr] of shown) {
    expect(await rowsOf(expr, { instance: "none:1" }), title).toEqual([]);
    expect(await rowsOf(expr, { namespace: "none" }), title).toEqual([]);
  }
  const [process] = (await prometheus.query("code_interpreter_worker_capacity")) as Row[];
  const instance = process?.metric.instance as string;
  for (const [title, expr] of shown) {
    for (const { metric } of await rowsOf(expr, { instance })) expect(metric.instance ?? instance, title).toBe(instance);
  }
});

test("each variable of a dashboard has values where its series are", async () => {
  for (const query of variableQueries) {
    const [, series, label] = /^label_values\((.*), (\w+)\)$/s.exec(query) as unknown as [string, string, string];
    const rows = await rowsOf(series);
    expect(rows.length, query).toBeGreaterThan(0);
    // Only Kubernetes gives series a namespace.
    if (label !== "namespace") expect(Object.keys(rows[0]?.metric ?? {}), query).toContain(label);
  }
});

test("the tenant page counts what an organization ran, and names no other", async () => {
  const rows = await rowsOf('code_interpreter_organization_today{measure="executions"}');
  expect(rows.map(({ metric }) => metric.organization).sort()).toEqual(["org_load", "org_probe"]);
  for (const { value } of rows) expect(Number(value[1])).toBeGreaterThan(0);
});

test.each(panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr, legendFormat }) => [title, expr, legendFormat] as const)))(
  "the panel %s has data, and the labels that name it: %s",
  async (_, expr, legend) => {
    // The load goes on, so what happens once a round comes by again.
    await vi.waitFor(async () => expect(await numbersOf(expr)).toBeGreaterThan(0), PATIENCE);
    for (const { metric } of await rowsOf(expr)) {
      for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) expect(Object.keys(metric)).toContain(label);
    }
  },
);

test.each(records.map(({ record, labels }) => [record, labels?.slo ?? ""] as const))("%s is recorded: %s", async (record, slo) => {
  expect(await recorded(record, slo)).toBe(1);
});

// What an alert compares must be there while all is well; what comes out of the comparison is for promtool's tests of the rules.
test.each(alerts.flatMap(({ alert, expr }) => inputsOf(expr).map((input) => [alert, input] as const)))(
  "the alert %s looks at data: %s",
  async (_, input) => {
    expect(await numbersOf(input)).toBeGreaterThan(0);
  },
);

/** As far as its first filter: a second one asks for what is rare. */
const firstStep = (command: string) => command.split(" | ").slice(0, 2).join(" | ");
const asked = [...runbooks].flatMap(([name, text]) => commandsOf(text).map((command) => [name, firstStep(command)] as const));

test.each(asked.filter(([, command]) => command.startsWith("curl ")))(
  "a process answers the command of the runbook %s: %s",
  (_, command) => {
    const answers = service.processes.map(({ operationsUrl }) => shell(command.replace("http://127.0.0.1:9090", operationsUrl)));
    expect(answers.join("")).not.toBe("");
  },
);

test.each(asked.filter(([, command]) => command.startsWith("redis-cli ")))(
  "Redis answers the command of the runbook %s: %s",
  (_, command) => {
    expect(shell(command.replace('-u "$REDIS_URL"', `-s ${service.redis.url}`))).not.toBe("");
  },
);

/** What a line of a shell prints; nothing when its last command finds nothing. */
function shell(line: string): string {
  return execFileSync("sh", ["-c", `${line} || true`], { encoding: "utf8" });
}

test("Prometheus reports every rule as healthy", async () => {
  for (const { alert, expr } of alerts) await expect(prometheus.query(expr), alert).resolves.toBeInstanceOf(Array);
});

test("no paging alert fires while the service works", async () => {
  const fatal = ["IsolationBroken", "NoWorkerServes", "ProcessDown", "RedisAway", "EngineAway", "ResultsNotStored", "QueueStuck"];
  for (const { expr } of alerts.filter(({ alert }) => fatal.includes(alert))) expect(await prometheus.query(expr)).toEqual([]);
});
