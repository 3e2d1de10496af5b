import { readFileSync } from "node:fs";
import { z } from "zod";
import { organizationPattern } from "../domain/ids.ts";
import { serverLabelSchema } from "../domain/tools.ts";

/** The file MCP_SERVERS: MCP servers of the operator by label. Secrets are in variables or files that it names. */
const reference = z.union([
  z.string(),
  z.strictObject({ env: z.string().min(1), prefix: z.string().optional() }),
  z.strictObject({ file: z.string().min(1), prefix: z.string().optional() }),
]);
type Reference = z.infer<typeof reference>;

const shared = {
  tools: z.array(z.string().min(1)).optional().describe("tools that code may call; all when absent"),
  read_only: z.boolean().default(true).describe("only tools that the server marks as read-only"),
  in_responses: z.boolean().default(false).describe("code of responses may call it without a request that names it"),
  organizations: z.array(z.string().regex(organizationPattern)).optional().describe("organizations that may use it; all when absent"),
};
const server = z.union([
  z.strictObject({ url: z.url({ protocol: /^https?$/ }), headers: z.record(z.string(), reference).default({}), ...shared }),
  z.strictObject({
    command: z.string().min(1),
    args: z.array(z.string()).default([]),
    env: z.record(z.string(), reference).default({}),
    ...shared,
  }),
]);
const file = z.record(serverLabelSchema(), server);

export interface ServerSettings {
  label: string;
  /** Over Streamable HTTP, or a program that is started and spoken to over its standard input and output. */
  address: { url: string; headers: Record<string, string> } | { command: string; args: string[]; env: Record<string, string> };
  /** Names of the tools that code may call; null for all. */
  allowed: ReadonlySet<string> | null;
  readOnly: boolean;
  /** Whether code of responses may call it without a request that names it. */
  inResponses: boolean;
  /** Organizations that may use it; null for all. */
  organizations: ReadonlySet<string> | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws with the label and the field at fault, never with a value. */
export function parseServers(text: string, environment: Environment): Map<string, ServerSettings> {
  const parsed = file.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new Error(`MCP_SERVERS: ${parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ")}`);
  }
  return new Map(Object.entries(parsed.data).map(([label, settings]) => [label, settingsOf(label, settings, environment)]));
}

function settingsOf(label: string, settings: z.infer<typeof server>, environment: Environment): ServerSettings {
  const values = (references: Record<string, Reference>) =>
    Object.fromEntries(Object.entries(references).map(([name, one]) => [name, valueIn(one, `${label}: ${name}`, environment)]));
  return {
    label,
    address:
      "url" in settings
        ? { url: settings.url, headers: values(settings.headers) }
        : { command: settings.command, args: settings.args, env: values(settings.env) },
    allowed: settings.tools === undefined ? null : new Set(settings.tools),
    readOnly: settings.read_only,
    inResponses: settings.in_responses,
    organizations: settings.organizations === undefined ? null : new Set(settings.organizations),
  };
}

function valueIn(one: Reference, where: string, environment: Environment): string {
  if (typeof one === "string") return one;
  const { prefix = "" } = one;
  if ("file" in one) return prefix + readFileSync(one.file, "utf8").trim();
  const value = environment[one.env];
  if (value === undefined || value === "") throw new Error(`MCP_SERVERS: ${where}: the variable ${one.env} is not set`);
  return prefix + value;
}
