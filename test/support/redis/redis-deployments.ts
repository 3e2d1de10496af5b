import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis, type RedisOptions } from "ioredis";

/** Redis as sites with more than one server run it; all on loopback, on ports the kernel chooses. */
export interface Deployment {
  /** What REDIS_URL would be. */
  readonly url: string;
  /** Ends every server and removes what they wrote. */
  stop(): Promise<void>;
}

/** One that lives on when its master is killed. */
export interface Replicated extends Deployment {
  /** Kills the server that holds `key` without a word of warning; resolves once another has taken its place. */
  failOver(key: string): Promise<void>;
}

interface Server {
  port: number;
  child: ChildProcess;
  client: Redis;
}

/** A node counts as gone after this time: short for a test, long for a machine that is busy. */
const NODE_TIMEOUT_MS = 2_000;
const READY_TIMEOUT_MS = 30_000;
const SLOTS = 16_384;

/** Three masters with a replica each. */
export async function startRedisCluster(): Promise<Replicated> {
  const fleet = await openFleet();
  const buses = await freePorts(6);
  const servers = await Promise.all(
    buses.map((bus, at) =>
      fleet.start({
        "cluster-enabled": "yes",
        "cluster-port": bus,
        "cluster-config-file": `nodes-${at}.conf`,
        "cluster-node-timeout": NODE_TIMEOUT_MS,
        "cluster-replica-validity-factor": 0,
      }),
    ),
  );
  const masters = servers.slice(0, 3);
  const [first] = servers as [Server];
  for (const [at, { client }] of masters.entries()) {
    const share = Math.ceil(SLOTS / masters.length);
    await client.call("CLUSTER", "ADDSLOTSRANGE", at * share, Math.min((at + 1) * share, SLOTS) - 1);
  }
  for (const [at, { port }] of servers.entries()) {
    if (port !== first.port) await first.client.call("CLUSTER", "MEET", "127.0.0.1", port, buses[at] as number);
  }
  await until(async () => (await nodesSeenBy(servers)).every((count) => count === servers.length));
  for (const [at, { client }] of servers.slice(3).entries()) {
    const id = await masters[at]?.client.call("CLUSTER", "MYID");
    await client.call("CLUSTER", "REPLICATE", String(id));
  }
  await until(async () => {
    const [states, links] = await Promise.all([
      clusterStates(servers),
      Promise.all(servers.slice(3).map(({ client }) => client.info("replication"))),
    ]);
    return states.every((state) => state === "ok") && links.every((info) => info.includes("master_link_status:up"));
  });
  return {
    url: `redis+cluster://${servers.slice(0, 2).map(addressOf).join(",")}`,
    stop: fleet.stop,
    async failOver(key) {
      const slot = Number(await first.client.call("CLUSTER", "KEYSLOT", key));
      const at = Math.floor(slot / Math.ceil(SLOTS / masters.length));
      await untilReplicated(servers[at] as Server);
      await fleet.kill(servers[at] as Server);
      const rest = servers.filter((_, other) => other !== at);
      await untilMaster(servers[at + masters.length] as Server);
      await until(async () => (await clusterStates(rest)).every((state) => state === "ok"));
    },
  };
}

/** A master, a replica, and three sentinels that watch them. */
export async function startRedisSentinel(): Promise<Replicated> {
  const fleet = await openFleet();
  const master = await fleet.start({});
  const replica = await fleet.start({ replicaof: `127.0.0.1 ${master.port}` });
  await until(async () => (await replica.client.info("replication")).includes("master_link_status:up"));
  const sentinels = await Promise.all(
    [1, 2, 3].map(async (at) => {
      const file = join(fleet.folder, `sentinel-${at}.conf`);
      const watched = [
        `monitor main 127.0.0.1 ${master.port} 2`,
        `down-after-milliseconds main ${NODE_TIMEOUT_MS}`,
        "failover-timeout main 5000",
      ];
      await writeFile(file, watched.map((line) => `sentinel ${line}\n`).join(""));
      return fleet.startSentinel(file);
    }),
  );
  await until(async () => (await Promise.all(sentinels.map(stateSeenBy))).every(({ slaves, others }) => slaves === 1 && others === 2));
  return {
    url: `redis+sentinel://${sentinels.map(addressOf).join(",")}/main`,
    stop: fleet.stop,
    async failOver() {
      await untilReplicated(master);
      await fleet.kill(master);
      await untilMaster(replica);
    },
  };
}

/** One server that speaks only TLS, with a certificate of an unknown authority, and admits one user with a password. */
export async function startRedisTls(): Promise<Deployment & { withoutAuthority: string; withoutPassword: string }> {
  const fleet = await openFleet();
  const { ca, cert, key } = await makeCertificates(fleet.folder);
  const acl = join(fleet.folder, "users.acl");
  await writeFile(acl, "user default off\nuser interpreter on >p@ss:word ~* &* +@all\n");
  const { port } = await fleet.start(
    { "tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": ca, "tls-auth-clients": "no", aclfile: acl },
    { username: "interpreter", password: "p@ss:word", tls: { ca: await readFile(ca) } },
  );
  const at = `127.0.0.1:${port}`;
  return {
    url: `rediss://interpreter:p%40ss%3Aword@${at}?ca=${encodeURIComponent(ca)}`,
    withoutAuthority: `rediss://interpreter:p%40ss%3Aword@${at}`,
    withoutPassword: `rediss://${at}?ca=${encodeURIComponent(ca)}`,
    stop: fleet.stop,
  };
}

const PAUSED_MS = 20_000;

/**
 * Redis replicates asynchronously, so a master that dies may take writes along that it has acknowledged, as OPERATING.md says.
 * This one dies after its replica has them: it acknowledges no more writes, and waits for the replica.
 */
async function untilReplicated({ client }: Server): Promise<void> {
  await client.call("CLIENT", "PAUSE", PAUSED_MS, "WRITE");
  await until(async () => {
    const info = await client.info("replication");
    const [written, replicated] = [/^master_repl_offset:(\d+)/m, /^slave0:.*offset=(\d+)/m].map((pattern) => pattern.exec(info)?.[1]);
    return written !== undefined && replicated !== undefined && Number(replicated) >= Number(written);
  });
}

type Flags = Record<string, string | number>;

/** A folder and the servers that were started in it. */
async function openFleet() {
  const folder = await mkdtemp(join(tmpdir(), "ci-redis-"));
  const servers: Server[] = [];
  const kill = async ({ child, client }: Server) => {
    client.disconnect();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  const launch = async (args: string[], port: number, options: RedisOptions): Promise<Server> => {
    const child = spawn("redis-server", args, { cwd: folder, stdio: "ignore" });
    await once(child, "spawn");
    const client = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: null, retryStrategy: () => 20, ...options });
    client.on("error", () => undefined);
    const server = { port, child, client };
    servers.push(server);
    await within(client.ping());
    return server;
  };
  return {
    folder,
    kill,
    /** A server; with `tls` in the options one that speaks nothing else. */
    async start(flags: Flags, options: RedisOptions = {}): Promise<Server> {
      const [port] = (await freePorts(1)) as [number];
      const ports: Flags = options.tls === undefined ? { port } : { port: 0, "tls-port": port };
      const all = {
        ...ports,
        bind: "127.0.0.1",
        save: "",
        appendonly: "no",
        dbfilename: `${port}.rdb`,
        "maxmemory-policy": "noeviction",
        ...flags,
      };
      return launch(Object.entries(all).flatMap(toArguments), port, options);
    },
    async startSentinel(file: string): Promise<Server> {
      const [port] = (await freePorts(1)) as [number];
      return launch([file, "--sentinel", "--port", String(port), "--bind", "127.0.0.1"], port, {});
    },
    async stop() {
      await Promise.all(servers.map(kill));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As on a command line: `replicaof` takes two words. */
function toArguments([name, value]: [string, string | number]): string[] {
  return [`--${name}`, ...(name === "replicaof" ? String(value).split(" ") : [String(value)])];
}

function addressOf({ port }: Server): string {
  return `127.0.0.1:${port}`;
}

async function clusterStates(servers: Server[]): Promise<string[]> {
  const infos = await Promise.all(servers.map(({ client }) => client.call("CLUSTER", "INFO")));
  return infos.map((info) => /cluster_state:(\w+)/.exec(String(info))?.[1] ?? "");
}

async function nodesSeenBy(servers: Server[]): Promise<number[]> {
  const replies = await Promise.all(servers.map(({ client }) => client.call("CLUSTER", "NODES")));
  return replies.map((reply) => String(reply).split(" connected").length - 1);
}

function untilMaster({ client }: Server): Promise<void> {
  return until(async () => (await client.info("replication")).includes("role:master"));
}

async function stateSeenBy({ client }: Server): Promise<{ slaves: number; others: number }> {
  const info = await client.info("sentinel");
  const count = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(info)?.[1] ?? 0);
  return { slaves: count("slaves"), others: count("sentinels") - 1 };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** Asks again until it holds; other processes decide when that is. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`the servers did not agree within ${READY_TIMEOUT_MS} ms`);
    await pause(50);
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`a redis-server did not answer within ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** An authority, and a certificate of it for loopback. */
async function makeCertificates(folder: string): Promise<{ ca: string; cert: string; key: string }> {
  const openssl = (...args: string[]) => promisify(execFile)("openssl", args, { cwd: folder });
  const fresh = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await openssl(...fresh, "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem");
  await openssl(
    ...fresh,
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem"],
  );
  return { ca: join(folder, "ca.pem"), cert: join(folder, "server.pem"), key: join(folder, "server.key") };
}
