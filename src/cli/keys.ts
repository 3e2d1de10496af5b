import { appendFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { organizationPattern } from "../domain/ids.ts";
import { type OrganizationLimits, organizationLimitNames, organizationLimits } from "../domain/organization-limits.ts";
import { createKey, expireKey, idOfKey, listKeys, revokeKey, rotateKey } from "../keys/change-keys.ts";
import { hasExpired, type Scope, scopes } from "../keys/stored-key.ts";
import { type AuditAction, auditLine } from "../observe/audit.ts";
import type { Printer } from "./printer.ts";
import { CliError, dataFolder, EXIT_USAGE, serviceFrom } from "./settings.ts";
import { alignTable } from "./table.ts";

const LAST_USE_TIMEOUT_MS = 2_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** The key file of the service on this machine. The service reloads it by itself. */
function keysFile(environment: Environment): string {
  return environment.KEYS_FILE || join(dataFolder(environment), "keys.json");
}

/** Prints the new key once, alone on stdout. Its text is not stored. */
export async function createKeyCommand(
  options: { org: string; scopes: string; name?: string; expires?: string; limit?: string[] },
  { environment, printer }: { environment: Environment; printer: Printer },
): Promise<void> {
  if (!organizationPattern.test(options.org)) {
    throw new CliError(`--org: must match ${organizationPattern.source} (is ${JSON.stringify(options.org)})`, EXIT_USAGE);
  }
  const wanted = options.scopes.split(",").map((scope) => scope.trim());
  const unknown = wanted.filter((scope) => !(scopes as readonly string[]).includes(scope));
  if (unknown.length > 0)
    throw new CliError(`--scopes: must be of ${scopes.join(", ")} (is ${JSON.stringify(options.scopes)})`, EXIT_USAGE);
  const file = keysFile(environment);
  const key = {
    organization: options.org,
    scopes: wanted as Scope[],
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.expires === undefined ? {} : { expiresAt: timeFrom(options.expires, "--expires", Date.now()) }),
    ...(options.limit === undefined ? {} : { limits: limitsFrom(options.limit) }),
  };
  const text = await createKey(file, key);
  await writeAudit(file, "key.created", idOfKey(text));
  await printer.note(`New key for ${options.org} in ${file}, which stores only its hash. Save the key now; it is not shown again:`);
  await printer.block({ stream: "stdout", text });
}

export async function listKeysCommand({ environment, printer }: { environment: Environment; printer: Printer }): Promise<void> {
  const keys = await listKeys(keysFile(environment));
  const used = await lastUses(environment);
  const time = (ms: number) => new Date(ms).toISOString();
  const rows = keys.map((key) => [
    key.id,
    key.organization,
    key.scopes.join(","),
    time(key.created_at),
    key.expires_at === undefined ? "never" : `${time(key.expires_at)}${hasExpired(key, Date.now()) ? " (expired)" : ""}`,
    used === null ? "unknown" : ((at) => (at == null ? "never" : time(at * 1000)))(used.get(key.id)),
    Object.entries(key.limits ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
    key.name ?? "",
  ]);
  const columns = ["id", "organization", "scopes", "created", "expires", "last used", "limits", "name"].map((name) => ({ name }));
  await printer.block({ stream: "stdout", text: alignTable({ columns, rows, row_count: rows.length }) });
}

export async function revokeKeyCommand(
  id: string,
  { environment, printer }: { environment: Environment; printer: Printer },
): Promise<void> {
  const file = keysFile(environment);
  if (!(await revokeKey(file, id))) throw new CliError(`There is no key ${id} in ${file}.`, EXIT_USAGE);
  await writeAudit(file, "key.revoked", id);
  await printer.note(`Revoked ${id}.`);
}

/** Prints the new key once, alone on stdout. The old one stays valid for the overlap. */
export async function rotateKeyCommand(
  id: string,
  options: { overlap: string },
  { environment, printer }: { environment: Environment; printer: Printer },
): Promise<void> {
  const file = keysFile(environment);
  const text = await rotateKey(file, id, durationFrom(options.overlap, "--overlap"));
  if (text === null) throw new CliError(`There is no valid key ${id} in ${file}.`, EXIT_USAGE);
  await writeAudit(file, "key.rotated", id);
  await printer.note(`${idOfKey(text)} replaces ${id}, which expires in ${options.overlap}. Save the new key now; it is not shown again:`);
  await printer.block({ stream: "stdout", text });
}

export async function expireKeyCommand(
  id: string,
  options: { at: string },
  { environment, printer }: { environment: Environment; printer: Printer },
): Promise<void> {
  const file = keysFile(environment);
  const at = timeFrom(options.at, "--at", Date.now());
  if (!(await expireKey(file, id, at))) throw new CliError(`There is no key ${id} in ${file}.`, EXIT_USAGE);
  await writeAudit(file, "key.expired", id);
  await printer.note(`${id} expires at ${new Date(at).toISOString()}.`);
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90d`, `12h`, `30m`, `10s`, or 0. */
function durationFrom(text: string, option: string): number {
  if (text === "0") return 0;
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  if (match === null) throw new CliError(`${option}: must be a time such as 90d, 12h, 30m or 10s (is ${JSON.stringify(text)})`, EXIT_USAGE);
  return Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS];
}

/** `now`, a date such as 2027-01-31, a time in ISO 8601, or a duration from now. */
function timeFrom(text: string, option: string, now: number): number {
  if (text === "now") return now;
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : now + durationFrom(text, option);
  if (Number.isNaN(at)) throw new CliError(`${option}: is no time (${JSON.stringify(text)})`, EXIT_USAGE);
  return at;
}

/** Of `--limit sessions=5`, given once or more often. */
function limitsFrom(texts: readonly string[]): OrganizationLimits {
  const pairs = texts.map((text) => {
    const match = /^([a-z_]+)=(\d+)$/.exec(text);
    if (match === null || !(organizationLimitNames as string[]).includes(match[1] as string)) {
      throw new CliError(
        `--limit: must be NAME=NUMBER, with a name of ${organizationLimitNames.join(", ")} (is ${JSON.stringify(text)})`,
        EXIT_USAGE,
      );
    }
    return [match[1] as string, Number(match[2])] as const;
  });
  const parsed = organizationLimits.safeParse(Object.fromEntries(pairs));
  if (parsed.success) return parsed.data;
  throw new CliError(`--limit: ${parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")}`, EXIT_USAGE);
}

/** From the running service, because the key file does not know it. Null without a service or a key with the scope admin. */
async function lastUses(environment: Environment): Promise<Map<string, number | null> | null> {
  try {
    const { url, key } = serviceFrom({}, environment);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(`${url}/v1/admin/keys`, { headers, signal: AbortSignal.timeout(LAST_USE_TIMEOUT_MS) });
    const { data } = (await answer.json()) as { data: Array<{ id: string; last_used_at: number | null }> };
    return new Map(data.map(({ id, last_used_at }) => [id, last_used_at]));
  } catch {
    return null;
  }
}

/** The command line cannot write to the service's log, so it logs key changes beside the key file. */
async function writeAudit(file: string, action: AuditAction, target: string): Promise<void> {
  const line = auditLine({ action, outcome: "done", actor: { uid: process.getuid?.() ?? null }, target }, new Date());
  await appendFile(join(dirname(file), "audit.log"), line, { mode: 0o600 });
}
