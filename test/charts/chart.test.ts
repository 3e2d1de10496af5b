import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type Manifest, parseManifests, readManifests, validateManifest } from "../support/checks/manifests.ts";

const { ensurePythonTools } = await import(new URL("../../scripts/setup/python-tools.mjs", import.meta.url).href);
const root = join(import.meta.dirname, "../..");
const chart = join(root, "charts/code-interpreter");

const s3 = { s3: { bucket: "files", endpoint: "https://s3.example", region: "eu-1", secret: "storage" } };
/** Each switch of the chart on. */
const full = {
  ...s3,
  images: {
    registry: "registry.example/",
    pullSecrets: [{ name: "registry" }],
    service: { digest: `sha256:${"a".repeat(64)}` },
    keeper: { tag: "9" },
  },
  externalSecrets: { enabled: true, store: { name: "vault" } },
  api: {
    autoscaling: { enabled: true },
    priorityClassName: "ci-api",
    nodeSelector: { disk: "ssd" },
    env: [{ name: "MODEL_DEFAULT", value: "m" }],
  },
  worker: {
    keda: { enabled: true },
    runtimeClassName: "kata",
    nodeSelector: { "code-interpreter/sandboxes": "true" },
    tolerations: [{ key: "code-interpreter/sandboxes", operator: "Exists", effect: "NoSchedule" }],
  },
  priorityClasses: [{ name: "ci-api", value: 1000 }],
  resourceQuota: { hard: { pods: "30" } },
  limitRange: { limits: [{ type: "Container", max: { memory: "8Gi" } }] },
  ingress: { enabled: true, className: "nginx", annotations: { "cert-manager.io/cluster-issuer": "letsencrypt" }, tlsSecret: "tls" },
  gateway: { enabled: true, parentRefs: [{ name: "public" }] },
  network: { apiEgress: [{ to: [{ ipBlock: { cidr: "10.20.0.0/24" } }], ports: [{ protocol: "TCP", port: 6379 }] }] },
  monitoring: { monitors: true, rules: true, runbooksUrl: "https://wiki.example.com/pages/", dashboards: true },
  probe: { enabled: true },
};
const cases = {
  "S3 alone": s3,
  "a claim for files": { files: { claim: "files" } },
  everything: full,
  "workers by processor time": { ...s3, worker: { autoscaling: { enabled: true } } },
  "no network policies": { ...s3, network: { policies: false }, probe: { enabled: true } },
  "no store": {},
  "one namespace": { ...s3, workerNamespace: { name: "code-interpreter" } },
  "two scalers": { ...s3, worker: { keda: { enabled: true }, autoscaling: { enabled: true } } },
  "a misspelt value": { ...s3, apis: { replicas: 3 } },
  "a wrong type": { ...s3, api: { replicas: "three" } },
};
type Name = keyof typeof cases;

const rendered = new Map<string, { error?: string; messages: string[]; objects: Manifest[] }>();
const objects = (name: Name) => rendered.get(name)?.objects ?? [];
const find = (name: Name, kind: string, object: string): Manifest => {
  const found = objects(name).find((each) => each.kind === kind && each.metadata.name === object);
  if (found === undefined) throw new Error(`${name} has no ${kind} ${object}`);
  return found;
};

beforeAll(async () => {
  const bin = await ensurePythonTools({ root, progress: () => {}, group: "charts" });
  const script = join(root, "test/support/checks/render-chart.py");
  const input = JSON.stringify(Object.values(cases));
  const printed = execFileSync(join(bin, "python"), [script, chart], { input, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const results = JSON.parse(printed) as Array<{ error?: string; messages: string[]; objects?: string[] }>;
  for (const [at, name] of Object.keys(cases).entries()) {
    const { objects: texts = [], ...rest } = results[at] as (typeof results)[number];
    rendered.set(name, { ...rest, objects: texts.flatMap(parseManifests).filter((each) => each !== null) });
  }
}, 120_000);

const good: Name[] = ["S3 alone", "a claim for files", "everything", "workers by processor time", "no network policies"];

test.each(good)("Helm's linter finds nothing with %s, and the published schemas allow every object", async (name) => {
  expect(rendered.get(name)).toMatchObject({ messages: [] });
  expect(objects(name).length).toBeGreaterThan(12);
  for (const manifest of objects(name)) await validateManifest(manifest);
});

test.each([
  ["no store", /Set s3.bucket or files.claim/],
  ["one namespace", /must differ from the release's namespace/],
  ["two scalers", /not both/],
  ["a misspelt value", /apis/],
  ["a wrong type", /replicas/],
] as const)("%s is refused with a sentence that names the value", (name, sentence) => {
  expect(rendered.get(name)?.error).toMatch(sentence);
});

describe("the chart is k8s/ with values", () => {
  test("its made parts are those that npm run chart makes from k8s/ and ops/", () => {
    const out = mkdtempSync(join(tmpdir(), "ci-chart-"));
    try {
      execFileSync(process.execPath, [join(root, "scripts/chart.mjs"), "--out", out]);
      for (const folder of ["templates/made", "files", "files/dashboards"]) {
        const files = readdirSync(join(out, folder));
        expect(readdirSync(join(chart, folder))).toEqual(files);
        expect(readFileSync(join(chart, "values.schema.json"), "utf8")).toBe(readFileSync(join(out, "values.schema.json"), "utf8"));
        for (const file of files.filter((each) => each.includes(".")))
          expect(readFileSync(join(chart, folder, file), "utf8"), file).toBe(readFileSync(join(out, folder, file), "utf8"));
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  const base = readManifests().filter(({ file }) => file.startsWith("base/") && file !== "base/namespaces.yaml");
  const same = (kind: string, name: string) => base.some(({ manifest }) => manifest.kind === kind && manifest.metadata.name === name);

  test("it has every object of k8s/base but those that are off by default", () => {
    const made = objects("everything").map(
      ({ kind, metadata }) => `${kind} ${metadata.name.replace("workers-worker-pods", "worker-pods")}`,
    );
    expect(base.map(({ manifest }) => `${manifest.kind} ${manifest.metadata.name}`).filter((each) => !made.includes(each))).toEqual([]);
  });

  test.each([
    ["Deployment", "api"],
    ["Deployment", "worker"],
  ])("the %s %s has the containers, walls and probes of k8s/base", (kind, name) => {
    expect(same(kind, name)).toBe(true);
    const of = (manifest: Manifest) => {
      const pod = manifest.spec.template.spec;
      return [...(pod.initContainers ?? []), ...pod.containers].map(({ image: _, imagePullPolicy: __, resources, ...rest }) => ({
        ...rest,
        memory: resources.limits.memory,
      }));
    };
    const ours = base.find(({ manifest }) => manifest.kind === kind && manifest.metadata.name === name)?.manifest as Manifest;
    const withoutStorage = of(find("S3 alone", kind, name)).map(({ envFrom, ...rest }) => ({
      ...rest,
      envFrom: envFrom.filter((each: object) => !JSON.stringify(each).includes("storage")),
    }));
    expect(withoutStorage).toEqual(of(ours));
  });
});

describe("values", () => {
  test("name images by registry, and a digest goes before a tag", () => {
    const [keeper] = find("everything", "Deployment", "worker").spec.template.spec.initContainers;
    expect(keeper.image).toBe("registry.example/code-interpreter-keeper:9");
    const [api] = find("everything", "Deployment", "api").spec.template.spec.containers;
    expect(api.image).toBe(`registry.example/code-interpreter@sha256:${"a".repeat(64)}`);
    const { appVersion } = parse(readFileSync(join(chart, "Chart.yaml"), "utf8")) as { appVersion: string };
    expect(find("S3 alone", "Deployment", "api").spec.template.spec.containers[0].image).toBe(`code-interpreter:${appVersion}`);
  });

  test("give every pod bounds of memory and of disk, and no token of the cluster", () => {
    for (const name of good) {
      for (const { kind, spec } of objects(name)) {
        if (kind !== "Deployment") continue;
        const pod = spec.template.spec;
        expect(pod.automountServiceAccountToken).toBe(false);
        for (const { resources } of [...(pod.initContainers ?? []), ...pod.containers]) {
          expect(Object.keys(resources.limits)).toEqual(expect.arrayContaining(["memory", "ephemeral-storage"]));
        }
      }
    }
  });

  test("reach pods, scalers, entrances and rules", () => {
    const worker = find("everything", "Deployment", "worker").spec.template.spec;
    expect(worker).toMatchObject({ runtimeClassName: "kata", nodeSelector: { "code-interpreter/sandboxes": "true" } });
    expect(find("everything", "Ingress", "api").metadata).toMatchObject({
      annotations: { "cert-manager.io/cluster-issuer": "letsencrypt" },
    });
    expect(find("everything", "HTTPRoute", "api").spec.parentRefs).toEqual([{ name: "public" }]);
    expect(find("everything", "ScaledObject", "worker").spec.scaleTargetRef.kind).toBe("Deployment");
    expect(JSON.stringify(find("everything", "PrometheusRule", "code-interpreter").spec)).toContain(
      "https://wiki.example.com/pages/RedisAway.md",
    );
    const dashboards = find("everything", "ConfigMap", "code-interpreter-dashboards").data ?? {};
    expect(Object.keys(dashboards).sort()).toEqual(["capacity.json", "fleet.json", "tenants.json"]);
    expect(dashboards["fleet.json"]).toBe(readFileSync(join(root, "ops/grafana/dashboards/fleet.json"), "utf8"));
  });

  test("hold no secret, and no rule of a network that is open to every address", () => {
    for (const name of good) {
      expect(objects(name).filter(({ kind }) => kind === "Secret")).toEqual([]);
      const policies = objects(name).filter(({ kind }) => kind === "NetworkPolicy");
      expect(policies.length > 0).toBe(name !== "no network policies");
      for (const { spec } of policies) {
        for (const rule of spec.egress ?? []) expect(rule.to?.length).toBeGreaterThan(0);
        expect(JSON.stringify(spec)).not.toContain('"0.0.0.0/0"');
      }
    }
  });

  test("write a new pod when settings change, because programs read them at their start", () => {
    const annotations = find("S3 alone", "Deployment", "api").spec.template.metadata.annotations;
    expect(annotations["checksum/settings"]).toMatch(/^[0-9a-f]{64}$/);
  });
});
