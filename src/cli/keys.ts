import { appendFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { organizationPattern } from "../domain/ids.ts";
import { createKey, idOfKey, listKeys, revokeKey, type Scope, scopes } from "../keys/keys.ts";
import { auditLine } from "../observe/audit.ts";
import type { Printer } from "./printer.ts";
import { CliError, dataFolder, EXIT_USAGE } from "./settings.ts";
import { alignTable } from "./table.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The key file of the service on this machine. The service reloads it by itself. */
function keysFile(environment: Environment): string {
  return environment.KEYS_FILE || join(dataFolder(environment), "keys.json");
}

/** Prints the new key once, alone on stdout. Its text is not stored. */
export async function createKeyCommand(
  options: { org: string; scopes: string; name?: string },
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
  const key = { organization: options.org, scopes: wanted as Scope[], ...(options.name === undefined ? {} : { name: options.name }) };
  const text = await createKey(file, key);
  await writeAudit(file, "key.created", idOfKey(text));
  await printer.note(`New key for ${options.org} in ${file}, which stores only its hash. Save the key now; it is not shown again:`);
  await printer.block({ stream: "stdout", text });
}

export async function listKeysCommand({ environment, printer }: { environment: Environment; printer: Printer }): Promise<void> {
  const keys = await listKeys(keysFile(environment));
  const rows = keys.map((key) => [key.id, key.organization, key.scopes.join(","), new Date(key.created_at).toISOString(), key.name ?? ""]);
  const columns = ["id", "organization", "scopes", "created", "name"].map((name) => ({ name }));
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

/** The command line cannot write to the service's log, so it logs key changes beside the key file. */
async function writeAudit(file: string, action: "key.created" | "key.revoked", target: string): Promise<void> {
  const line = auditLine({ action, outcome: "done", actor: { uid: process.getuid?.() ?? null }, target }, new Date());
  await appendFile(join(dirname(file), "audit.log"), line, { mode: 0o600 });
}
