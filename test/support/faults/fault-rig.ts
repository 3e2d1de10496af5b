import { setTimeout as sleep } from "node:timers/promises";
import type { TestRedisOptions } from "../redis/redis.ts";
import { testEngineHost } from "../sandboxes/containers.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../servers/service.ts";
import { startProxy, type TcpProxy } from "../servers/tcp-proxy.ts";
import { Ledger } from "./ledger.ts";
import { type Checked, expectNothingLost } from "./nothing-lost.ts";

/** A service, a ledger of the requests to it, and proxies to its dependencies. */
export interface FaultRig extends TestService {
  readonly ledger: Ledger;
  /** The engine its workers use. */
  readonly engineHost: string;
  /** A proxy to Redis that the test can disturb, with the variable for `start`. */
  proxiedRedis(): Promise<{ proxy: TcpProxy; env: { REDIS_URL: string } }>;
  /** The same for the engine. */
  proxiedEngine(): Promise<{ proxy: TcpProxy; env: { DOCKER_HOST: string } }>;
  /** A caller of one organization. */
  caller(service: ServiceProcess, organization?: string): Promise<Caller>;
  /** Stops everything gracefully and asserts that nothing was lost and nothing is left; returns the counts. */
  settle(): Promise<Checked>;
  /** For `afterEach`: stops what a failed test has left. */
  close(): Promise<void>;
}

export interface Caller extends ReturnType<typeof client> {
  readonly organization: string;
}

export async function prepareFaults(options: TestRedisOptions & { engineHost?: string } = {}): Promise<FaultRig> {
  const { engineHost = testEngineHost, ...redisOptions } = options;
  // Persistent as the README requires, so that a killed Redis comes back with its data.
  const service = await prepareService({ persistent: true, ...redisOptions });
  const ledger = new Ledger();
  const proxies: TcpProxy[] = [];
  const proxied = async (target: string) => {
    const proxy = await startProxy(target);
    proxies.push(proxy);
    return proxy;
  };
  const keys = new Map<string, Promise<string>>();
  const rig: FaultRig = {
    ...service,
    ledger,
    engineHost,
    start: (command, env = {}) => service.start(command, { DOCKER_HOST: engineHost, ...env }),
    async proxiedRedis() {
      const proxy = await proxied(service.redis.url);
      return { proxy, env: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } };
    },
    async proxiedEngine() {
      const proxy = await proxied(engineHost.replace(/^unix:\/\//, ""));
      return { proxy, env: { DOCKER_HOST: `tcp://127.0.0.1:${proxy.port}` } };
    },
    async caller({ url }, organization = "org_a") {
      const key = keys.get(organization) ?? service.key(organization);
      keys.set(organization, key);
      return { organization, ...client(url, await key) };
    },
    settle: () => expectNothingLost(rig),
    async close() {
      for (const proxy of proxies) await proxy.close();
      for (const process of service.processes) await process.kill();
      await service.stop();
    },
  };
  return rig;
}

/** What /health/ready of a worker says about its engine. */
export async function engineReady({ operationsUrl }: ServiceProcess): Promise<boolean> {
  const { checks } = (await (await fetch(`${operationsUrl}/health/ready`)).json()) as { checks: Record<string, boolean> };
  return checks.engine === true;
}

/** Polls until the condition holds, for states without an event. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  ms = 30_000,
): Promise<T> {
  const end = performance.now() + ms;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const found = await ask();
      if (found !== undefined && found !== null && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`${what}: not within ${ms} ms`, { cause: last });
}
