import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "../../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

interface Service {
  volumes?: string[];
  networks?: string[];
  ports?: string[];
  command?: string[];
  privileged?: boolean;
  profiles?: string[];
  logging?: { options?: Record<string, string> };
  user?: string;
  environment?: Record<string, string | null>;
  depends_on?: Record<string, { condition: string }>;
}
const { services, networks } = parse(read("docker-compose.yml"), { merge: true }) as {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
};
const { api, worker, engine, redis } = services as Record<"api" | "worker" | "engine" | "redis", Service>;

describe("docker-compose.yml", () => {
  it("mounts no engine's socket into anything", () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) => volumes);
    expect(mounted.filter((volume) => volume.includes(".sock"))).toEqual([]);
  });

  it("lets only the worker and the image loader reach the sandboxes' engine, which reaches no other service", () => {
    const beside = Object.keys(services).filter((name) => services[name]?.networks?.includes("engine"));
    expect(beside.sort()).toEqual(["engine", "sandbox-image", "worker"]);
    expect(engine.networks).toEqual(["engine"]);
    expect(engine.ports).toBeUndefined();
    expect(networks.engine?.internal).toBe(true);
  });

  it("has one privileged service, the engine", () => {
    expect(Object.keys(services).filter((name) => services[name]?.privileged)).toEqual(["engine"]);
    for (const service of [api, worker]) expect(service.user).toBeUndefined();
  });

  it("gives keys and the receipt key to the api alone", () => {
    const holders = Object.keys(services).filter((name) => services[name]?.volumes?.some((volume) => volume.startsWith("keys:")));
    expect(holders).toEqual(["api"]);
    expect(api.environment).toMatchObject({ KEYS_FILE: "/keys/keys.json", RECEIPT_KEY_FILE: "/keys/receipt-keys.json" });
  });

  it("keeps what Redis has, and starts nothing without it", () => {
    expect(redis.command?.join(" ")).toContain("--appendonly yes");
    expect(redis.command?.join(" ")).toContain("--maxmemory-policy noeviction");
    for (const service of [api, worker]) expect(service.depends_on?.redis).toEqual({ condition: "service_healthy" });
  });

  it("bounds memory, processor and log of every service", () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service, name).toMatchObject({ mem_limit: expect.anything(), cpus: expect.anything() });
      expect(service.logging?.options, name).toMatchObject({ "max-size": expect.any(String), "max-file": expect.any(String) });
    }
    expect(redis.command?.join(" ")).toContain("--maxmemory ");
  });

  it("starts Prometheus where Grafana's image is not to be had", () => {
    expect([services.prometheus?.profiles, services.grafana?.profiles]).toEqual([["watch"], ["dashboards"]]);
  });

  it("is open to this machine alone", () => {
    const ports = Object.values(services).flatMap(({ ports = [] }) => ports);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe("load-sandbox-image.py", () => {
  it("gives the image the settings of its Dockerfile", async () => {
    const { parseDockerfile } = (await import(new URL("../../../scripts/setup/dockerfile.mjs", import.meta.url).href)) as {
      parseDockerfile: (source: string) => Array<{ instruction: string; text: string }>;
    };
    const instructions = parseDockerfile(read("sandbox-image/Dockerfile"));
    const lastStage = instructions.slice(instructions.findLastIndex(({ instruction }) => instruction === "FROM"));
    const settings = lastStage
      .filter(({ instruction }) => ["ENV", "USER", "WORKDIR", "ENTRYPOINT"].includes(instruction))
      .map(({ instruction, text }) => `${instruction} ${text}`);
    const [, list = ""] = /^SETTINGS = \[\n(.*?)^\]/ms.exec(read("k8s/components/docker-engine/load-sandbox-image.py")) ?? [];
    // Python's strings of this list are JSON's too.
    expect(JSON.parse(`[${list.trim().replace(/,$/, "")}]`)).toEqual(settings);
  });
});
