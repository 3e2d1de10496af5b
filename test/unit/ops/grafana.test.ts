import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { metricsIn } from "../../support/checks/ops-files.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const compose = parse(read("docker-compose.yml"), { merge: true }) as {
  services: Record<string, { volumes: string[]; command: string[] }>;
};
const { grafana } = compose.services as Record<"grafana", { volumes: string[] }>;
const provided = (kind: string) =>
  readdirSync(new URL(`../../../ops/grafana/provisioning/${kind}`, import.meta.url)).map((file) =>
    parse(read(`ops/grafana/provisioning/${kind}/${file}`)),
  );
const [sources] = provided("datasources") as [{ datasources: Array<{ uid: string; type: string; access: string; url: string }> }];
const [source] = sources.datasources as [{ uid: string; type: string; access: string; url: string }];

/**
 * What the dashboard may be made of: of Grafana's own schema (github.com/grafana/grafana-foundation-sdk, `dashboard`) that part
 * which is used here. Grafana drops a field that it does not know without a word.
 */
const datasource = z.strictObject({ type: z.literal(source.type), uid: z.literal("${datasource}") });
const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource,
  expr: z.string().min(1),
  legendFormat: z.string().min(1),
  instant: z.boolean().optional(),
  format: z.enum(["time_series", "table"]).optional(),
});
const place = z.strictObject({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) });
const step = z.strictObject({ color: z.enum(["green", "orange", "red"]), value: z.number().nullable() });
const queried = {
  id: z.int().positive(),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource,
  gridPos: place,
  fieldConfig: z.strictObject({
    defaults: z.strictObject({
      unit: z.enum(["short", "s", "bytes", "Bps", "ops", "reqps", "percentunit"]),
      min: z.number(),
      thresholds: z.strictObject({ mode: z.literal("absolute"), steps: z.array(step).min(1) }),
    }),
    overrides: z.tuple([]),
  }),
  targets: z.array(target).min(1),
};
const options = z.strictObject({
  legend: z.strictObject({
    displayMode: z.literal("list"),
    placement: z.literal("bottom"),
    showLegend: z.literal(true),
    calcs: z.tuple([]),
  }),
  tooltip: z.strictObject({ mode: z.literal("multi"), sort: z.literal("desc") }),
});
const panel = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("row"),
    id: queried.id,
    title: queried.title,
    gridPos: place,
    collapsed: z.literal(false),
    panels: z.tuple([]),
  }),
  z.strictObject({ type: z.literal("stat"), ...queried }),
  z.strictObject({ type: z.literal("timeseries"), ...queried, options }),
  z.strictObject({
    type: z.literal("table"),
    ...queried,
    transformations: z.array(z.strictObject({ id: z.enum(["filterByValue", "organize"]), options: z.record(z.string(), z.unknown()) })),
  }),
]);
const variable = {
  name: z.string().regex(/^[a-z]+$/),
  label: z.string().min(1),
  hide: z.literal(0),
  regex: z.literal(""),
  options: z.tuple([]),
};
const variables = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("datasource"),
    ...variable,
    query: z.literal(source.type),
    refresh: z.literal(1),
    multi: z.literal(false),
    includeAll: z.literal(false),
    current: z.strictObject({}),
  }),
  z.strictObject({
    type: z.literal("query"),
    ...variable,
    datasource,
    query: z.strictObject({ query: z.string().regex(/^label_values\(.*, \w+\)$/), refId: z.string() }),
    // When the time range changes.
    refresh: z.literal(2),
    sort: z.literal(1),
    multi: z.literal(true),
    includeAll: z.literal(true),
    // Also series without the label: outside Kubernetes nothing has a namespace.
    allValue: z.literal(".*"),
    current: z.strictObject({ text: z.literal("All"), value: z.literal("$__all") }),
  }),
]);
const link = z.strictObject({
  type: z.literal("dashboards"),
  title: z.string(),
  tags: z.tuple([z.literal("code-interpreter")]),
  asDropdown: z.boolean(),
  icon: z.literal("external link"),
  includeVars: z.literal(true),
  keepTime: z.literal(true),
  targetBlank: z.boolean(),
  tooltip: z.string(),
  url: z.literal(""),
});
const dashboard = z.strictObject({
  uid: z.string().regex(/^[a-z-]{1,40}$/),
  title: z.string().min(1),
  tags: z.array(z.string()),
  timezone: z.literal(""),
  schemaVersion: z.literal(39),
  version: z.int(),
  refresh: z.string().regex(/^\d+[sm]$/),
  editable: z.boolean(),
  graphTooltip: z.literal(1),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  annotations: z.strictObject({ list: z.tuple([]) }),
  templating: z.strictObject({ list: z.array(variables).min(3) }),
  links: z.tuple([link]),
  panels: z.array(panel).min(1),
});

const files = readdirSync(new URL("../../../ops/grafana/dashboards/", import.meta.url));

test.each(files)("%s has the fields of Grafana's schema, and no others", (file) => {
  expect(() => dashboard.parse(JSON.parse(read(`ops/grafana/dashboards/${file}`)))).not.toThrow();
});

test.each(files)("%s has the variables data source, namespace and process, and every query uses them", (file) => {
  const { templating, panels, tags } = dashboard.parse(JSON.parse(read(`ops/grafana/dashboards/${file}`)));
  expect(templating.list.slice(0, 3).map(({ name }) => name)).toEqual(["datasource", "namespace", "instance"]);
  expect(tags).toContain("code-interpreter");
  for (const { title, ...rest } of panels) {
    for (const { expr } of "targets" in rest ? rest.targets : []) {
      // Every series, so that a quotient never divides one process by all.
      const series = metricsIn(expr).length;
      expect(expr.match(/namespace=~"\$namespace", instance=~"\$instance"/g)?.length ?? 0, title).toBeGreaterThanOrEqual(series);
      for (const [, name] of expr.matchAll(/\$(?!__)(\w+)/g)) expect(templating.list.map((one) => one.name)).toContain(name);
    }
  }
});

test("the dashboards are a page for the fleet, one for capacity and one for tenants", () => {
  expect(files.sort()).toEqual(["capacity.json", "fleet.json", "tenants.json"]);
});

test.each(files)("no two panels of %s lie on each other, and each query of a panel has a letter of its own", (file) => {
  const { panels } = dashboard.parse(JSON.parse(read(`ops/grafana/dashboards/${file}`)));
  const taken = new Map<string, string>();
  for (const { title, gridPos, ...rest } of panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.get(`${x} ${y}`), `what lies where ${title} does`).toBeUndefined();
        taken.set(`${x} ${y}`, title);
      }
    }
    const letters = "targets" in rest ? rest.targets.map(({ refId }) => refId) : [];
    expect(new Set(letters).size, title).toBe(letters.length);
  }
});

test("Grafana's data comes from the Prometheus of docker-compose.yml", () => {
  expect(sources.datasources).toHaveLength(1);
  expect(source).toMatchObject({ type: "prometheus", access: "proxy" });
  const { hostname, port } = new URL(source.url);
  expect(compose.services[hostname]?.command).toContain("--config.file=/etc/prometheus/prometheus.yml");
  // The default address of Prometheus.
  expect(port).toBe("9090");
  expect(compose.services[hostname]?.command.filter((word) => word.startsWith("--web.listen-address"))).toEqual([]);
});

test("Grafana finds the dashboards and its settings where docker-compose.yml mounts them", () => {
  const [{ providers }] = provided("dashboards") as [{ providers: Array<{ type: string; options: { path: string } }> }];
  expect(providers.map(({ type }) => type)).toEqual(["file"]);
  expect(grafana.volumes).toContain(`./ops/grafana/dashboards:${providers[0]?.options.path}:ro`);
  expect(grafana.volumes).toContain("./ops/grafana/provisioning:/etc/grafana/provisioning:ro");
});
