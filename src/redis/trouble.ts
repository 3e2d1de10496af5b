/** `away`: no answer can be had. `refuses_writes`: it answers and reads, but is full, read-only or cannot write its own disk. */
export type RedisTrouble = "away" | "refuses_writes";

/** The errors that Redis gives instead of a write. Also the names under which `INFO errorstats` counts them. */
export const writeRefusals = ["OOM", "READONLY", "MISCONF", "NOREPLICAS"] as const;

const refused = new RegExp(`^(${writeRefusals.join("|")})\\b`);
const away = [
  /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED)\b/,
  /^(Connection is closed\.|Command timed out|Stream isn't writeable|Redis did not answer)/,
  /^(Too many Cluster redirections|Cluster isn't ready|Failed to refresh slots cache|All sentinels are unreachable)/,
  /^Reached the max retries per request limit/,
];
const connectionCodes = new Set(["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENOENT"]);

/** Null for any other error. ioredis has no common class for these; a script's error begins with the same word. */
export function redisTroubleOf(error: unknown): RedisTrouble | null {
  if (!(error instanceof Error)) return null;
  const { message, name, code, syscall } = error as Error & { code?: unknown; syscall?: unknown };
  const trouble = troubleIn(message);
  if (trouble !== null) return trouble;
  if (name === "MaxRetriesPerRequestError") return "away";
  return syscall === "connect" && connectionCodes.has(String(code)) ? "away" : null;
}

/** The same from an error's text alone. */
export function troubleIn(message: string): RedisTrouble | null {
  if (refused.test(message)) return "refuses_writes";
  return away.some((pattern) => pattern.test(message)) ? "away" : null;
}
