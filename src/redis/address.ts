import type { Cluster, Redis } from "ioredis";

/** One server, the master that sentinels name, or a cluster: whoever holds one need not know which. */
export type RedisClient = Redis | Cluster;

/** Where Redis is and how to speak to it, read from REDIS_URL. */
export interface RedisAddress {
  kind: "server" | "sentinel" | "cluster";
  /** Of the server, the sentinels, or some of the cluster's nodes. Empty when `path` is set. */
  nodes: ReadonlyArray<{ host: string; port: number }>;
  /** A socket. */
  path?: string;
  /** What the sentinels call their master. */
  master?: string;
  username?: string;
  password?: string;
  /** The sentinels' own password, which is not that of the servers. */
  sentinelPassword?: string;
  db?: number;
  /** Null for a plain connection; else files with certificates and key in PEM, each only if it was given. */
  tls: { ca?: string; cert?: string; key?: string } | null;
}

const forms: Readonly<Record<string, { kind: RedisAddress["kind"]; tls: boolean; port: number }>> = {
  "redis:": { kind: "server", tls: false, port: 6379 },
  "rediss:": { kind: "server", tls: true, port: 6379 },
  "redis+sentinel:": { kind: "sentinel", tls: false, port: 26379 },
  "rediss+sentinel:": { kind: "sentinel", tls: true, port: 26379 },
  "redis+cluster:": { kind: "cluster", tls: false, port: 6379 },
  "rediss+cluster:": { kind: "cluster", tls: true, port: 6379 },
};

/** The rule for REDIS_URL, for whoever got it wrong. */
export const REDIS_URL_RULE =
  "must be redis://…, rediss://…, redis+sentinel://host,host/master, redis+cluster://host,host (rediss+… with TLS) or the path of a socket";

/**
 * Reads `scheme://[user:password@]host[:port][,host[:port]…][/database or master][?ca=…&cert=…&key=…&sentinel_password=…]`,
 * or the path of a socket. User, password and what follows `?` are percent-encoded. Throws RangeError saying what is wrong,
 * without the text itself, which may hold a password.
 */
export function parseRedisUrl(text: string): RedisAddress {
  if (text.startsWith("/")) return { kind: "server", nodes: [], path: text, tls: null };
  // URL knows one host only, so the list is cut out first; what is left of it is an ordinary URL.
  const cut = /^([a-z+]+:)\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?(\?[^#]*)?$/.exec(text);
  const form = cut === null ? undefined : forms[cut[1] as string];
  if (cut === null || form === undefined) throw new RangeError(REDIS_URL_RULE);
  const [, , login = "", hosts = "", path = "/", query = ""] = cut;
  const nodes = hosts.split(",").map((host) => parseNode(host, form.port));
  if (form.kind === "server" && nodes.length > 1) throw new RangeError("one host only; a list needs redis+sentinel:// or redis+cluster://");
  return {
    kind: form.kind,
    nodes,
    ...parseLogin(login),
    ...parsePath(form.kind, decode(path.slice(1))),
    ...parseQuery(form, new URLSearchParams(query)),
  };
}

function parseNode(text: string, fallback: number): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2] ?? fallback);
  if (match === null || port < 1 || port > 65_535) throw new RangeError("each host must be host or host:port, with commas between");
  return { host: (match[1] as string).replace(/^\[|\]$/g, ""), port };
}

function parseLogin(login: string): Pick<RedisAddress, "username" | "password"> {
  const at = login.indexOf(":");
  const username = decode(at === -1 ? login : login.slice(0, at));
  const password = at === -1 ? "" : decode(login.slice(at + 1));
  return { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) };
}

function parsePath(kind: RedisAddress["kind"], path: string): Pick<RedisAddress, "db" | "master"> {
  if (kind === "sentinel") {
    if (!/^[A-Za-z0-9._-]+$/.test(path)) throw new RangeError("sentinels need the name of their master: redis+sentinel://host,host/master");
    return { master: path };
  }
  if (path === "") return {};
  if (kind === "cluster") throw new RangeError("a cluster has no databases: nothing may follow the hosts");
  if (!/^\d{1,5}$/.test(path)) throw new RangeError("what follows the host must be the number of a database");
  return { db: Number(path) };
}

function parseQuery(
  form: { kind: RedisAddress["kind"]; tls: boolean },
  query: URLSearchParams,
): Pick<RedisAddress, "tls" | "sentinelPassword"> {
  const allowed = [...(form.tls ? ["ca", "cert", "key"] : []), ...(form.kind === "sentinel" ? ["sentinel_password"] : [])];
  for (const name of query.keys()) {
    if (!allowed.includes(name)) throw new RangeError(`after ? there may be ${allowed.join(", ") || "nothing"} with this scheme`);
  }
  const files = Object.fromEntries([...query].filter(([name]) => name !== "sentinel_password"));
  const sentinelPassword = query.get("sentinel_password");
  return { tls: form.tls ? files : null, ...(sentinelPassword === null ? {} : { sentinelPassword }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError("user, password and path must be percent-encoded");
  }
}
