/** How long a caller wants to wait for the end; null when the Prefer header leaves it to us. */
export interface Wait {
  ms: number;
  /** Text of the Preference-Applied header. */
  applied: string;
}

/**
 * Reads RFC 7240 preferences: `respond-async` answers at once, `wait=N` after at most N seconds, both together
 * mean the wait. What can not be understood is ignored, as the RFC asks.
 */
export function waitPreference(header: string | undefined, waitMsMax: number): Wait | null {
  if (header === undefined) return null;
  const preferences = header.split(",").map((part) => (part.split(";")[0] ?? "").trim().toLowerCase());
  const wait = preferences.map((text) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(text)?.[1]).find((seconds) => seconds !== undefined);
  if (wait !== undefined) return { ms: Math.min(Number(wait) * 1000, waitMsMax), applied: `wait=${Number(wait)}` };
  return preferences.includes("respond-async") ? { ms: 0, applied: "respond-async" } : null;
}
