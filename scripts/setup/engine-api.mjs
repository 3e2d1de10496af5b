import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { SetupError } from "./say.mjs";

/**
 * The Docker Engine API over node:http. Setup does not use the `docker` command: it may be missing, newer than the
 * engine, or installed without an engine.
 */
export function engineAt(host, env = process.env) {
  const url = new URL(host);
  if (url.protocol === "unix:") return { host, options: { socketPath: url.pathname }, module: http };
  if (!["tcp:", "http:", "https:"].includes(url.protocol)) {
    throw new SetupError(`DOCKER_HOST: must be unix://…, tcp://… or http(s)://… (is ${JSON.stringify(host)})`);
  }
  const certificates = env.DOCKER_CERT_PATH;
  const secure = url.protocol === "https:" || Boolean(certificates);
  const options = { host: url.hostname, port: Number(url.port || (secure ? 2376 : 2375)) };
  if (certificates) {
    const read = (name) => readFileSync(path.join(certificates, name));
    Object.assign(options, { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") });
  }
  return { host, options, module: secure ? https : http };
}

/**
 * Sends one request and resolves with the response stream for any status. `idleMs` bounds silence on the
 * connection, not the total time. `body` is text or a readable stream.
 */
export function ask(engine, { method = "GET", path: target, headers = {}, body, idleMs = 10_000 }) {
  return new Promise((resolve, reject) => {
    const request = engine.module.request({ ...engine.options, method, path: target, headers, agent: false }, resolve);
    request.setTimeout(idleMs, () => request.destroy(new Error(`no answer within ${idleMs / 1000} s`)));
    request.on("error", reject);
    if (body?.pipe) {
      body.on("error", (error) => request.destroy(error));
      body.pipe(request);
    } else request.end(body);
  });
}

/** Resolves with the parsed body; rejects with EngineRefusal for a status of 400 or above. */
export async function askJson(engine, request) {
  const response = await ask(engine, {
    ...request,
    headers: request.body ? { "content-type": "application/json", ...request.headers } : request.headers,
  });
  const text = await readAll(response);
  if (response.statusCode >= 400) throw new EngineRefusal(response.statusCode, messageIn(text));
  return text ? JSON.parse(text) : null;
}

/** Follows a build, pull or import to its end; rejects with the engine's error. */
export async function follow(response, onMessage) {
  if (response.statusCode >= 400) throw new EngineRefusal(response.statusCode, messageIn(await readAll(response)));
  let rest = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.trim()) continue;
      const message = JSON.parse(line);
      if (message.error) throw new EngineRefusal(200, message.error);
      onMessage(message);
    }
  }
  if (rest.trim()) onMessage(JSON.parse(rest));
}

export class EngineRefusal extends Error {
  name = "EngineRefusal";
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A message of a build or pull as one readable line; null if it has no text. */
export function describeMessage(message) {
  if (message.stream) return message.stream.trim().split("\n").pop() || null;
  if (!message.status) return null;
  const detail = message.progressDetail;
  const percent = detail?.total ? ` ${Math.floor((100 * detail.current) / detail.total)} %` : "";
  return `${message.status}${message.id ? ` ${message.id}` : ""}${percent}`;
}

async function readAll(response) {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) text += chunk;
  return text;
}

function messageIn(text) {
  try {
    return JSON.parse(text).message;
  } catch {
    return text.trim().slice(0, 500);
  }
}
