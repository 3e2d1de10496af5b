/** How long a caller wants to wait for the end. */
export interface Wait {
  ms: number;
  /** Text of the Preference-Applied header. */
  applied: string;
}

/**
 * Reads the Prefer header (RFC 7240): `respond-async` responds at once, `wait=N` after at most N seconds. `wait` takes
 * precedence. Unknown preferences are ignored, as the RFC requires. Null when there is none.
 */
export function waitPreference(header: string | undefined, waitMsMax: number): Wait | null {
  if (header === undefined) return null;
  const preferences = header.split(",").map((part) => (part.split(";")[0] ?? "").trim().toLowerCase());
  const wait = preferences.map((text) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(text)?.[1]).find((seconds) => seconds !== undefined);
  if (wait !== undefined) return { ms: Math.min(Number(wait) * 1000, waitMsMax), applied: `wait=${Number(wait)}` };
  return preferences.includes("respond-async") ? { ms: 0, applied: "respond-async" } : null;
}
