import { z } from "zod";
import { type LimitName, type Limits, makeLimits, operatorLimits } from "../domain/limits.ts";
import { parseRedisUrl } from "../redis/address.ts";

/** Every setting, checked once at the start and frozen. Only this folder and the command line read the environment. */
const port = z.coerce.number().int().min(0).max(65_535);
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(["true", "false", "1", "0"]).transform((value) => value === "true" || value === "1");

const variables = z.object({
  HOST: z.string().min(1).default("127.0.0.1").describe("address the API listens on"),
  PORT: port.default(8080).describe("port of the API"),
  METRICS_HOST: z.string().min(1).default("127.0.0.1").describe("address of /metrics and health for operations"),
  METRICS_PORT: port.default(9090).describe("port of /metrics"),
  PUBLIC_URL: z.url().optional().describe("base of the URLs in answers; relative URLs when unset"),
  REDIS_URL: z
    .string()
    .superRefine((text, context) => {
      try {
        parseRedisUrl(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
      }
    })
    .default("redis://127.0.0.1:6379")
    .describe("redis://, rediss://, redis+sentinel://host,host/master, redis+cluster://host,host, or a socket; ?ca=file with TLS"),
  REDIS_PREFIX: z
    .string()
    .regex(/^[a-z0-9_-]{1,32}$/)
    .default("ci")
    .describe("first part of every Redis key"),
  DATA_DIR: z.string().min(1).default("./data").describe("folder for stored files and keys"),
  S3_BUCKET: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}$/, "must be the name of a bucket")
    .optional()
    .describe("bucket for stored files; when unset, they are in DATA_DIR"),
  S3_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("address of an S3 server other than Amazon's"),
  S3_REGION: z.string().min(1).default("us-east-1"),
  S3_PREFIX: z
    .string()
    .regex(/^[a-zA-Z0-9!_.*'()/-]{0,256}$/, "must be at most 256 letters, digits and !_.*'()/-")
    .default("blobs/")
    .describe("first part of every key"),
  S3_PATH_STYLE: flag.optional().describe("the path names the bucket, not the host; when unset, true if S3_ENDPOINT is set"),
  S3_ACCESS_KEY_ID: z.string().min(1).optional().describe("with S3_SECRET_ACCESS_KEY; when unset, the AWS SDK finds credentials itself"),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  S3_LINK_SECONDS: count(1, 3_600)
    .optional()
    .describe("downloads redirect to S3 links that are valid this long; when unset, they pass through the api"),
  KEYS_FILE: z.string().min(1).optional().describe("file of hashed API keys; default DATA_DIR/keys.json"),
  DOCKER_HOST: z
    .string()
    .regex(/^(unix|tcp|https?):\/\//, "must be unix://…, tcp://… or http(s)://…")
    .default("unix:///var/run/docker.sock"),
  DOCKER_CERT_PATH: z.string().optional().describe("folder with ca.pem, cert.pem, key.pem for a TLS engine"),
  SANDBOX_IMAGE: z.string().min(1).default("code-interpreter-sandbox:latest"),
  SANDBOX_RUNTIME: z
    .string()
    .regex(/^[a-zA-Z0-9_.-]+$/)
    .default("runc")
    .describe("OCI runtime of the Docker engine for sandboxes: runc, crun, runsc"),
  ENGINE: z.enum(["docker", "oci"]).default("docker").describe("what makes sandboxes: a Docker engine, or an OCI runtime alone"),
  OCI_RUNTIME: z
    .string()
    .regex(/^[a-zA-Z0-9_./-]+$/)
    .default("crun")
    .describe("with ENGINE=oci, the program that makes containers: crun, runc, or runsc (gVisor)"),
  SANDBOX_ROOTFS: z.string().min(1).optional().describe("with ENGINE=oci, folder of the sandbox image's root file system"),
  OCI_STATE_DIR: z
    .string()
    .min(1)
    .optional()
    .describe(
      "with ENGINE=oci, folder of running containers and of the keeper's socket, best in memory; default /run/code-interpreter, or /dev/shm/code-interpreter where /run is on a disk",
    ),
  KEEPER_SOCKET: z
    .string()
    .min(1)
    .optional()
    .describe("with ENGINE=oci, socket of a running keeper; when unset, a worker that is root starts its own"),
  KEEPER_FAST_JOINS: flag
    .default(true)
    .describe("the keeper mounts cgroups with favordynmods, for the whole host: faster moves between cgroups"),
  KEEPER_OWNER_UID: count(0, 4_294_967_294).default(0).describe("account that may use the keeper's socket"),
  WORKER_CONCURRENCY: count(1, 256).optional().describe("concurrent executions; default from cores and memory"),
  WORKER_MEMORY_MB: count(512, 4_194_304).optional().describe("memory for sandboxes, MiB; default three quarters of the machine's"),
  POOL_SIZE_MIN: count(0, 64).default(2).describe("sandboxes in stock at rest"),
  POOL_SIZE_MAX: count(0, 64).default(6).describe("sandboxes in stock under load"),
  MODEL_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("base of a chat-completions API, such as http://127.0.0.1:11434/v1; without it there is no assistant"),
  MODEL_API_KEY: z.string().trim().optional().describe("sent to the model as `Authorization: Bearer …`"),
  MODEL_DEFAULT: z.string().min(1).optional().describe("model of a request that names none; default the first of MODEL_ALLOWED"),
  MODEL_ALLOWED: z
    .string()
    .transform((names) =>
      names
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    )
    .optional()
    .describe("models that a request may name, separated by commas; default MODEL_DEFAULT alone"),
  MODEL_SEES_IMAGES: flag.default(false).describe("the model accepts images, so it receives those that code produces"),
  MODEL_TOKENS_FIELD: z
    .enum(["max_tokens", "max_completion_tokens"])
    .default("max_tokens")
    .describe("field of the model's API that bounds the tokens of an answer"),
  WEBHOOK_ALLOW_PRIVATE: flag.default(false).describe("deliver webhooks and tool calls to private and loopback addresses"),
  MCP_SERVERS: z
    .string()
    .min(1)
    .optional()
    .describe("JSON file of MCP servers whose tools code may call by label, see docs/tools.md; read at the start and on SIGHUP"),
  RECEIPT_KEY_FILE: z
    .string()
    .min(1)
    .optional()
    .describe("private JWK set that signs receipts; default DATA_DIR/receipt-keys.json, created at the first start"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("OpenTelemetry collector, such as http://127.0.0.1:4318; traces are sent when this or the next is set"),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("address for traces, if not /v1/traces of the collector"),
  OTEL_SDK_DISABLED: flag.default(false).describe("turns traces off"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("share of traces recorded; the caller's sampling decision takes precedence"),
  PROBE_URL: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ""))
    .default("http://127.0.0.1:8080")
    .describe("base of the API that the process probe calls"),
  PROBE_KEY_FILE: z.string().min(1).optional().describe("file of the API key that the process probe uses"),
  PROBE_INTERVAL_MS: count(1_000, 3_600_000).default(60_000).describe("time between two executions of the process probe"),
  ACCESS_LOG: flag.default(true).describe("one line of the log for each request: route, status, time, organization, bytes"),
  METRICS_ORGANIZATIONS: count(0, 50)
    .default(0)
    .describe("number of organizations that /metrics of the api names, those with the largest use of the day; 0: none"),
  SETTINGS_FILE: z.string().min(1).optional().describe("file of lines NAME=value, read at the start and on SIGHUP; the environment wins"),
  SHUTDOWN_DRAIN_MS: count(0, 600_000)
    .default(0)
    .describe("time between SIGTERM, when the process says that it is not ready, and the end of listening"),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});

export type Config = Readonly<z.infer<typeof variables>> & {
  readonly KEYS_FILE: string;
  readonly RECEIPT_KEY_FILE: string;
  readonly limits: Limits;
};

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Returns the frozen configuration; throws ConfigError naming every bad variable, its rule and its value. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = variables.safeParse(set);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        return `${name}: ${issue.message} (is ${JSON.stringify(withoutSecrets(set[name] ?? ""))})`;
      });
  const overrides: Partial<Record<LimitName, number>> = {};
  for (const name of operatorLimits) {
    const variable = limitVariable(name);
    const text = set[variable];
    if (text === undefined) continue;
    const value = Number(text);
    const whole = name === "cpuCores" || Number.isInteger(value);
    if (Number.isFinite(value) && value > 0 && whole) overrides[name] = value;
    else problems.push(`${variable}: must be a positive ${name === "cpuCores" ? "" : "whole "}number (is ${JSON.stringify(text)})`);
  }
  for (const variable of Object.keys(set).filter((name) => name.startsWith("LIMIT_"))) {
    const known = operatorLimits.some((name) => limitVariable(name) === variable);
    if (!known) problems.push(`${variable}: no such limit can be set; OPERATING.md lists those that can`);
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems.join("\n"));
  const values = parsed.data;
  if (values.POOL_SIZE_MIN > values.POOL_SIZE_MAX) {
    throw new ConfigError(`POOL_SIZE_MIN: must be at most POOL_SIZE_MAX (is ${values.POOL_SIZE_MIN} > ${values.POOL_SIZE_MAX})`);
  }
  if ((values.S3_ACCESS_KEY_ID === undefined) !== (values.S3_SECRET_ACCESS_KEY === undefined)) {
    throw new ConfigError("S3_ACCESS_KEY_ID: must be set together with S3_SECRET_ACCESS_KEY, or neither");
  }
  let limits: Limits;
  try {
    limits = makeLimits(overrides);
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error });
  }
  return Object.freeze({
    ...values,
    KEYS_FILE: values.KEYS_FILE ?? `${values.DATA_DIR}/keys.json`,
    RECEIPT_KEY_FILE: values.RECEIPT_KEY_FILE ?? `${values.DATA_DIR}/receipt-keys.json`,
    limits,
  });
}

/** The value as an error may show it: without the user and the password of an address. */
function withoutSecrets(value: string): string {
  return value.replace(/:\/\/[^/]*@/, "://…@").replace(/(password=)[^&]*/g, "$1…");
}

/** `runTimeoutMsMax` → `LIMIT_RUN_TIMEOUT_MS_MAX`. */
export function limitVariable(name: LimitName): string {
  return `LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Name, default and meaning of every variable, for `--help` and the README. */
export function describeVariables(): Array<{ name: string; fallback: string; meaning: string }> {
  const names = Object.keys(variables.shape) as Array<keyof typeof variables.shape>;
  const defaults = variables.parse({}) as Record<string, unknown>;
  return names.map((name) => ({
    name,
    fallback: defaults[name] === undefined ? "" : String(defaults[name]),
    meaning: variables.shape[name].description ?? "",
  }));
}
