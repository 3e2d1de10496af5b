import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";

/** A private Prometheus with the rules and configuration of `ops/`. */
export interface TestPrometheus {
  /** The result of an instant query. Rejects with Prometheus' message if the query is invalid. */
  query(expr: string): Promise<unknown[]>;
  stop(): Promise<void>;
}

const OPS = new URL("../../../ops/prometheus/", import.meta.url);
const START_TIMEOUT_MS = 60_000;
const ASK_AGAIN_MS = 100;

/** `targets` are operations URLs. They replace the service's names, and intervals are shorter; the rest is as shipped. */
export async function startPrometheus(targets: readonly string[]): Promise<TestPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), "ci-prometheus-"));
  const config = parse(await readFile(new URL("prometheus.yml", OPS), "utf8"));
  config.global = { scrape_interval: "1s", evaluation_interval: "1s" };
  for (const job of config.scrape_configs) {
    delete job.dns_sd_configs;
    job.static_configs = [{ targets: targets.map((url) => new URL(url).host) }];
  }
  await writeFile(join(folder, "prometheus.yml"), stringify(config));
  await copyFile(new URL("rules.yml", OPS), join(folder, "rules.yml"));
  const port = await freePort();
  const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  const server = spawn("prometheus", flags, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  server.stderr?.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4_000);
  });
  await once(server, "spawn");
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, server, () => log);
  const ask = async (path: string) => {
    const answer = (await (await fetch(url + path)).json()) as { status: string; error?: string; data: never };
    if (answer.status !== "success") throw new Error(answer.error);
    return answer.data;
  };
  const query = async (expr: string) =>
    (((await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)) as { result: unknown }).result as unknown[]) ?? [];
  return {
    query,
    async stop() {
      const ended = once(server, "exit");
      server.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(url: string, server: ChildProcess, log: () => string): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const ready = await fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return;
    if (server.exitCode !== null || performance.now() > until) throw new Error(`Prometheus did not start; its log:\n${log()}`);
    await sleep(ASK_AGAIN_MS);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
