import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import tls from "node:tls";
import { findCommand, installPackages } from "./debian.mjs";
import { endChild, spawnTied } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;
/** The kernel's limit for a socket path is 108 bytes with the terminating zero. */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * Returns the Redis to use: that of REDIS_URL if set, otherwise a private server on a socket in the data folder, which
 * ends with this process. `stop` shuts it down gracefully; `child` is null for REDIS_URL.
 */
export function startRedis({ dataFolder, env = process.env }) {
  return step("Redis", async (progress) => {
    if (env.REDIS_URL) {
      const version = await versionAt(env.REDIS_URL);
      return { url: env.REDIS_URL, child: null, stop: async () => {}, note: `${version} answers at REDIS_URL` };
    }
    if (!findCommand("redis-server")) {
      await installPackages(["redis-server"], {
        progress,
        why: "There is no redis-server on this machine and REDIS_URL is not set. Redis 6.2 or newer keeps the queue.",
      });
    }
    return startPrivate(dataFolder, progress);
  });
}

async function startPrivate(dataFolder, progress) {
  const folder = path.resolve(dataFolder, "redis");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const socket = socketPath(folder);
  await waitForPrevious(socket, progress);
  const logFile = path.join(folder, "redis.log");
  rmSync(logFile, { force: true });
  const log = openSync(logFile, "a");
  const options = {
    port: 0,
    unixsocket: socket,
    unixsocketperm: 700,
    dir: folder,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
    loglevel: "notice",
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawnTied(findCommand("redis-server"), args, { stdio: ["ignore", log, log] });
  closeSync(log);
  const deadline = performance.now() + START_MS_MAX;
  for (;;) {
    const version = await versionAt(socket).catch(() => null);
    if (version) return { url: socket, child, stop: () => endChild(child, STOP_MS_MAX), note: `${version}, private, at ${socket}` };
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      const lines = existsSync(logFile) ? readFileSync(logFile, "utf8").trim().split("\n").slice(-10).join("\n") : "";
      throw new SetupError(`redis-server does not start. The end of ${logFile}:\n${lines}`);
    }
    progress("loading");
    await pause(50);
  }
}

/** A path in the data folder, or in a temporary folder if that path is too long for a socket. */
function socketPath(folder) {
  const inData = path.join(folder, "redis.sock");
  if (Buffer.byteLength(inData) <= SOCKET_PATH_BYTES_MAX) return inData;
  return path.join(mkdtempSync(path.join(os.tmpdir(), "code-interpreter-")), "redis.sock");
}

/**
 * A server that answers on our socket belongs to another service in this data folder, or lost its parent a moment ago and
 * is still saving. The second kind ends by itself; the first makes this start fail. A dead socket is removed.
 */
async function waitForPrevious(socket, progress) {
  const deadline = performance.now() + STOP_MS_MAX;
  while (await versionAt(socket).catch(() => null)) {
    if (performance.now() > deadline) {
      throw new SetupError(
        `Another service runs from this data folder: its Redis answers at ${socket}.\nStop it, or set DATA_DIR to another folder.`,
      );
    }
    progress("another server answers on our socket; waiting for it to end");
    await pause(250);
  }
  rmSync(socket, { force: true });
}

/** Version of the first server of a Redis URL that answers. Rejects with SetupError if none is Redis 6.2 or newer. */
export async function versionAt(url) {
  const { targets, shown, login } = readUrl(url);
  let failure;
  for (const target of targets) {
    const reply = await talk(target, [...(login ? [login] : []), ["INFO", "server"], ["PING"]]).catch((error) => {
      failure = new SetupError(`No Redis answers at ${shown}: ${error.message}`);
    });
    if (reply === undefined) continue;
    const version = reply.match(/redis_version:(\S+)/)?.[1];
    if (!version) throw new SetupError(`Redis at ${shown} refuses: ${reply.split("\r\n")[0]}`);
    if (!isNewEnough(version)) throw new SetupError(`Redis at ${shown} is ${version}; 6.2 or newer is needed.`);
    return version;
  }
  throw failure;
}

/** Servers, sentinels or nodes of a Redis URL, and the AUTH command for them. The service itself validates the URL fully. */
export function readUrl(url) {
  if (url.startsWith("/")) return { targets: [{ path: url }], shown: url, login: null };
  const match = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^@/?]*)@)?([^/?]+)[^?]*(\?.*)?$/.exec(url);
  if (!match)
    throw new SetupError("REDIS_URL is not valid: it must be redis://…, rediss://…, redis+sentinel://…, redis+cluster://… or a path.");
  const [, scheme, kind = "", userinfo = "", hosts, query = ""] = match;
  const files = new URLSearchParams(query);
  const read = (name) => (files.has(name) ? { [name]: readFileSync(files.get(name)) } : {});
  const tls = scheme === "rediss" ? { ...read("ca"), ...read("cert"), ...read("key") } : null;
  const [username, ...rest] = userinfo.split(":").map(decodeURIComponent);
  const [user, password] = kind === "+sentinel" ? ["", files.get("sentinel_password") ?? ""] : [username, rest.join(":")];
  const targets = hosts.split(",").map((host) => {
    const { hostname, port } = new URL(`tcp://${host}`);
    return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (kind === "+sentinel" ? 26379 : 6379)), tls };
  });
  const login = password ? ["AUTH", ...(user ? [user] : []), password] : null;
  return { targets, shown: `${scheme}${kind}://${hosts}`, login };
}

export function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

/** Sends commands and resolves with all replies once the last one, PING, is answered or refused. */
function talk(target, commands) {
  return new Promise((resolve, reject) => {
    const { tls: secure = null, ...address } = target;
    const names = secure && !net.isIP(address.host) ? { servername: address.host } : {};
    const socket = secure ? tls.connect({ ...address, ...secure, ...names }) : net.connect(address);
    let reply = "";
    socket.setEncoding("utf8");
    socket.setTimeout(5_000, () => socket.destroy(new Error("no answer within 5 s")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed the connection")));
    socket.on("data", (chunk) => {
      reply += chunk;
      if (!/(^|\r\n)(\+PONG|-(NOAUTH|WRONGPASS|LOADING|NOPERM|DENIED)[^\r]*)\r\n$/.test(reply)) return;
      resolve(reply);
      socket.destroy();
    });
    socket.write(commands.map(encodeCommand).join(""));
  });
}

/** A command in the Redis protocol. */
export function encodeCommand(words) {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}
