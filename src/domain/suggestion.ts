import { editDistance } from "./edit-distance.ts";
import type { Output } from "./outputs.ts";
import type { SandboxPackages } from "./packages.ts";

const MISSING = /^No module named '([\p{L}\p{N}_.-]{1,100})'/u;
/** A longer name may differ in two letters, a short one in one. */
const TWO_EDITS_FROM_CHARS = 6;

/**
 * What may help when code ended because a module is missing: the nearest installed name, or where the list is. Null for any
 * other end.
 */
export function suggestionFor(outputs: readonly Output[], installed: SandboxPackages | null): string | null {
  const error = outputs.findLast((output) => output.type === "error");
  if (installed === null || error?.type !== "error" || !["ModuleNotFoundError", "ImportError"].includes(error.name)) return null;
  const wanted = MISSING.exec(error.value)?.[1];
  if (wanted === undefined) return null;
  const found = nearest(wanted.split(".")[0] ?? wanted, installed);
  if (found === null) return `No module named '${wanted}'; it is not installed and there is no network. GET /v1/packages lists what is.`;
  return `No module named '${wanted}'; installed: ${found}`;
}

/** The module whose name, or whose distribution's name, is the same but for case and punctuation, or nearly the same. */
function nearest(wanted: string, { packages }: SandboxPackages): string | null {
  const key = plain(wanted);
  let best: { text: string; edits: number } | null = null;
  for (const { name, modules } of packages) {
    const [first = name] = modules;
    const distribution = plain(name);
    const candidates = [
      ...modules.map((module) => ({ text: module, spelling: plain(module) })),
      ...[distribution, distribution.replace(/^python|headless$|python(headless)?$/g, "")].map((spelling) => ({
        text: plain(first) === distribution ? first : `${first} (of ${name})`,
        spelling,
      })),
    ];
    for (const { text, spelling } of candidates) {
      if (spelling === "" || text.startsWith("_")) continue;
      const most = key.length < 3 ? 0 : key.length < TWO_EDITS_FROM_CHARS ? 1 : 2;
      const edits = editsBetween(key, spelling, Math.min(most, (best?.edits ?? most + 1) - 1));
      if (edits !== null) best = { text, edits };
    }
  }
  return best?.text ?? null;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** The distance of two texts; null if it is more than `most`. */
function editsBetween(one: string, other: string, most: number): number | null {
  if (most < 0 || Math.abs(one.length - other.length) > most) return null;
  const edits = editDistance(one, other);
  return edits <= most ? edits : null;
}
