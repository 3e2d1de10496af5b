import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { howToStop } from "./setup/docker.mjs";
import { startRedis } from "./setup/redis.mjs";
import { endChild } from "./setup/run-command.mjs";
import { giveUp, SetupError, say, step } from "./setup/say.mjs";
import { freePort, hasEnded, isFree, lastLines, launchService, waitUntilReady } from "./setup/service.mjs";
import { dataFolderOf, root, setup, setupOci } from "./setup.mjs";

/** The service stops within a minute by itself; after this it is killed. */
const STOP_MS_MAX = 75_000;

const SAME_SIGNAL_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const proof = {
  code: 'principal, rate, years = 10_000, 0.07, 20\nprint(f"${principal * (1 + rate) ** years:,.2f}")',
  answer: "$38,696.84",
};

async function main() {
  const { values } = parseArgs({ options: { help: { type: "boolean", short: "h" }, check: { type: "boolean" } } });
  if (values.help) return console.log(await helpText());

  const dataFolder = dataFolderOf(process.env);
  mkdirSync(dataFolder, { recursive: true });
  const oci = process.env.ENGINE === "oci";
  const made = oci ? await setupOci({ dataFolder }) : await setup({ dataFolder });
  const ports = await choosePorts(process.env);
  const redis = await startRedis({ dataFolder });
  const env = {
    ...process.env,
    ...ports,
    DATA_DIR: dataFolder,
    REDIS_URL: redis.url,
    ...(oci ? { OCI_RUNTIME: made.runtime, SANDBOX_ROOTFS: made.rootfs } : { SANDBOX_IMAGE: made.image, DOCKER_HOST: made.host }),
  };
  const logFile = path.join(dataFolder, "service.log");
  const urlFile = path.join(dataFolder, "url");
  const signals = listenForSignals();
  let service = null;
  const run = async () => {
    const key = await ensureKey(dataFolder, env.KEYS_FILE || path.join(dataFolder, "keys.json"));
    service = launchService({ root, env, logFile });
    await waitUntilReady({ ...service, logFile });
    await prove(service.url, key, logFile);
    writeFileSync(urlFile, `${service.url}\n`);
    introduce({ url: service.url, key, dataFolder, logFile });
    if (made.startedBySetup) say(howToStop(dataFolder));
    if (values.check) return;
    await Promise.race([
      ended(service.child, "The service", logFile),
      ended(redis.child, "Redis", path.join(dataFolder, "redis/redis.log")),
    ]);
  };
  try {
    await Promise.race([signals.first, run()]);
  } finally {
    rmSync(urlFile, { force: true });
    if (service && !hasEnded(service.child)) {
      signals.passOnTo(service.child);
      await step("stopping", async () => {
        const inOrder = await endChild(service.child, STOP_MS_MAX);
        return {
          note:
            inOrder && service.child.exitCode === 0
              ? "in order"
              : `service ended with ${service.child.signalCode ?? service.child.exitCode}`,
        };
      });
    }
    await redis.stop();
    signals.forget();
  }
  process.exitCode = service?.child.exitCode ?? 1;
}

/** The operator's ports, or else the first free ones from the defaults on. */
async function choosePorts(env) {
  const host = env.HOST || "127.0.0.1";
  const metricsHost = env.METRICS_HOST || "127.0.0.1";
  const port = await choosePort("PORT", env.PORT, host, 8080, []);
  const metricsPort = await choosePort("METRICS_PORT", env.METRICS_PORT, metricsHost, 9090, [port]);
  return { HOST: host, PORT: String(port), METRICS_HOST: metricsHost, METRICS_PORT: String(metricsPort) };
}

async function choosePort(name, chosen, host, usual, except) {
  if (chosen) {
    if (!(await isFree(host, Number(chosen)))) throw new SetupError(`${name}: port ${chosen} is in use on ${host}; choose another.`);
    return Number(chosen);
  }
  const port = await freePort(host, usual, except);
  if (port !== usual) say(`Port ${usual} is in use on ${host}; using ${port} (set ${name} to choose another).`);
  return port;
}

/** This data folder's API key: created once, in a file that only its owner can read. */
async function ensureKey(dataFolder, keysFile) {
  const { KeyFile } = await import(pathToFileURL(path.join(root, "dist/keys/keys.js")).href);
  const { createKey } = await import(pathToFileURL(path.join(root, "dist/keys/change-keys.js")).href);
  const file = path.join(dataFolder, "key");
  const kept = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  const live = new KeyFile(keysFile, () => {}).find(kept);
  if (live) return kept;
  const key = await createKey(keysFile, { organization: "org_local", scopes: ["execute", "read"], name: "npm start" });
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return key;
}

/** Runs a known calculation through the API, the queue and a sandbox, and compares the result. */
function prove(url, key, logFile) {
  return step("proof", async () => {
    const response = await fetch(`${url}/v1/executions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ code: proof.code }),
      signal: AbortSignal.timeout(120_000),
    });
    const body = await response.json();
    const text = body.outputs?.find((output) => output.type === "text")?.text.trimEnd();
    if (response.status !== 200 || body.status !== "completed" || text !== proof.answer) {
      const seen =
        response.status === 200
          ? `status ${body.status}, cause ${body.cause}, outputs ${JSON.stringify(body.outputs)}`
          : `HTTP ${response.status}: ${body.detail ?? body.error?.message ?? ""}`;
      throw new SetupError(
        `The service runs, but its result of a known calculation is wrong: ${seen}\nThe end of ${logFile}:\n${lastLines(logFile)}`,
      );
    }
    return { note: `10,000 at 7 % for 20 years, calculated in a sandbox: ${text}` };
  });
}

function introduce({ url, key, dataFolder, logFile }) {
  const here = (file) => path.relative(process.cwd(), path.join(dataFolder, file)) || file;
  console.log(`
${proof.answer}

Page    ${url}/playground${process.stdout.isTTY ? `#key=${key}` : ""}
API     ${url}/v1        docs  ${url}/docs        MCP   ${url}/mcp
Key     in ${here("key")}; more with: bin/code-interpreter.mjs keys create --org org_example
Log     ${path.relative(process.cwd(), logFile)}

Try
  curl -s ${url}/v1/executions -H "Authorization: Bearer $(cat ${here("key")})" \\
    -H 'Content-Type: application/json' -d '{"code": "sum(range(101))"}'
  bin/code-interpreter.mjs run -c 'print(2 ** 100)'
`);
}

/** The first signal resolves `first`; a later one goes to the service, which then exits at once. */
function listenForSignals() {
  let service = null;
  let firstAt = null;
  let resolve;
  const first = new Promise((done) => {
    resolve = done;
  });
  const onSignal = () => {
    firstAt ??= performance.now();
    // Ctrl-C arrives from the terminal and again through npm. Within this time they count as one signal.
    if (performance.now() - firstAt > SAME_SIGNAL_MS) service?.kill("SIGTERM");
    resolve();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    first,
    passOnTo: (child) => {
      service = child;
    },
    forget: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

/** Rejects when a child ends by itself; never settles if there is none. */
function ended(child, name, logFile) {
  return new Promise((_, reject) => {
    child?.once("exit", (code, signal) =>
      reject(new SetupError(`${name} ended by itself (${signal ?? `exit code ${code}`}). The end of ${logFile}:\n${lastLines(logFile)}`)),
    );
  });
}

async function helpText() {
  return `Starts the code interpreter on this machine: npm start

Prepares what is missing (npm packages, build, Docker engine, Redis, sandbox image), starts the service in one process
on loopback, and runs a calculation in a real sandbox. Ctrl-C shuts down gracefully; a second Ctrl-C stops at once.

  npm start -- --check    does all of that, then stops
  npm start -- --help     this text

Variables
${await variablesText()}
A limit is set with LIMIT_ and its name in capitals, as in LIMIT_RUN_TIMEOUT_MS_MAX=10000.`;
}

/** The variables as the service describes them, once it is built. */
async function variablesText() {
  const built = path.join(root, "dist/config.js");
  if (!existsSync(built)) return "  (shown after the first start, once the service is built)\n";
  const { describeVariables } = await import(pathToFileURL(built).href);
  const rows = describeVariables().map(({ name, fallback, meaning }) => {
    const text = [meaning, fallback && `default ${fallback}`].filter(Boolean).join("; ");
    return `  ${name.padEnd(24)} ${text}`;
  });
  return `${rows.join("\n")}\n`;
}

await main().catch(giveUp);
