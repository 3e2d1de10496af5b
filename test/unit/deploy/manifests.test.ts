import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { limitDefaults } from "../../../src/domain/limits.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { kustomizations, type Manifest, parseManifests, readManifests, validateManifest } from "../../support/checks/manifests.ts";

const root = join(import.meta.dirname, "../../..");
const all = readManifests();
const find = (kind: string, name: string): Manifest => {
  const found = all.find(({ manifest }) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name} under k8s/`);
  return found.manifest;
};
const worker = find("Deployment", "worker").spec.template.spec;
const api = find("Deployment", "api").spec.template.spec;
const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

describe("the published schemas", () => {
  it.each(all.map(({ file, manifest }) => [`${file}: ${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    "allow %s",
    async (_, manifest) => {
      await validateManifest(manifest);
    },
  );

  it("refuse a wrong type and an unknown field", async () => {
    const deployment = find("Deployment", "api");
    await expect(validateManifest({ ...deployment, spec: { ...deployment.spec, replicas: "2" } })).rejects.toThrow("replicas");
    const misspelt = { ...deployment.spec, template: { ...deployment.spec.template, spec: { ...api, terminationGracePeriod: 90 } } };
    await expect(validateManifest({ ...deployment, spec: misspelt })).rejects.toThrow("/spec/template/spec/terminationGracePeriod");
  });
});

const kubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
describe("kustomize", () => {
  // kubectl has kustomize in it; where neither is, the objects above have been read file by file.
  it.skipIf(!kubectl).each(kustomizations().filter((folder) => folder.startsWith("overlays/")))(
    "builds %s into valid objects",
    async (folder) => {
      const { stdout, stderr, status } = spawnSync("kubectl", ["kustomize", join(root, "k8s", folder)], { encoding: "utf8" });
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const manifests = parseManifests(stdout);
      expect(manifests.length).toBeGreaterThan(15);
      for (const manifest of manifests) await validateManifest(manifest);
    },
  );
});

describe("pods", () => {
  it.each([
    ["api", api],
    ["worker", worker],
  ])("of the %s are given longer to stop than the longest orderly stop takes", (_, pod) => {
    const preStop = pod.containers[0].lifecycle?.preStop.sleep.seconds ?? 0;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(limitDefaults.shutdownMsMax / 1000 + preStop);
  });

  it("hold to the restricted level, but for the keeper", () => {
    expect(api.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(api.containers[0].securityContext).toEqual(restricted);
    expect(worker.containers[0].securityContext).toMatchObject({
      ...restricted,
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(find("Namespace", "code-interpreter").metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
  });

  it("get no token of the cluster, and secrets by reference alone", () => {
    for (const pod of [api, worker]) {
      expect(pod.automountServiceAccountToken).toBe(false);
      const redis = pod.containers[0].env.find(({ name }: { name: string }) => name === "REDIS_URL");
      expect(redis.valueFrom.secretKeyRef).toEqual({ name: "redis", key: "url" });
    }
    expect(all.filter(({ manifest }) => manifest.kind === "Secret")).toEqual([]);
  });

  it("of the keeper have no secret, and the capabilities that the policy and SECURITY.md name, each of them", () => {
    const [keeper] = worker.initContainers;
    expect(JSON.stringify(keeper.env)).not.toContain("secretKeyRef");
    const { add, drop } = keeper.securityContext.capabilities;
    expect(drop).toEqual(["ALL"]);
    const [may] = find("ValidatingAdmissionPolicy", "code-interpreter-worker-pods").spec.variables;
    expect((JSON.parse(may.expression) as { keeper: string[] }).keeper).toEqual(add);
    const security = readFileSync(join(root, "SECURITY.md"), "utf8");
    expect(add.filter((capability: string) => !security.includes(`\`${capability}\``))).toEqual([]);
  });

  it("have the same limits in both namespaces", () => {
    const settings = all.filter(({ manifest }) => manifest.kind === "ConfigMap" && manifest.metadata.name === "settings");
    expect(settings.map(({ manifest }) => manifest.metadata.namespace)).toEqual(["code-interpreter", "code-interpreter-workers"]);
    expect(settings[0]?.manifest.data).toEqual(settings[1]?.manifest.data);
  });

  it("of a worker plan for no more memory than the keeper has", () => {
    const size = find("ConfigMap", "worker-size").data as { WORKER_MEMORY_MB: string };
    expect(worker.initContainers[0].resources.limits.memory).toBe(`${Number(size.WORKER_MEMORY_MB) / 1024 + 1}Gi`);
  });
});

describe("what watches", () => {
  it("scales by metrics that the service has", () => {
    const names = makeMetrics()
      .registry.getMetricsAsArray()
      .map(({ name }) => name);
    for (const { metadata } of find("ScaledObject", "worker").spec.triggers) {
      expect(names).toContain(/code_interpreter_\w+/.exec(metadata.query)?.[0]);
    }
  });

  it("alerts by the very rules of ops/", () => {
    const file = join(root, "ops/prometheus/rules.yml");
    expect(existsSync(file)).toBe(true);
    expect(find("PrometheusRule", "code-interpreter").spec).toEqual(parse(readFileSync(file, "utf8")));
  });
});
