import { editDistance } from "../../domain/edit-distance.ts";

const PATH_CHARS_MAX = 256;
const FAR = 3;

/** The path of a route that a caller probably meant, in the form `/v1/executions/{id}`; null when none is near. */
export function nearestPath(path: string, patterns: Iterable<string>): string | null {
  if (path.length > PATH_CHARS_MAX) return null;
  const asked = path.replace(/\/+$/, "").split("/");
  let best: string | null = null;
  let least = FAR + 1;
  for (const pattern of new Set(patterns)) {
    const far = farness(asked, pattern.split("/"));
    if (far < least) [best, least] = [pattern, far];
  }
  return best?.replaceAll(/:(\w+)/g, "{$1}") ?? null;
}

/** A segment that is a parameter has no distance. A forgotten `/v1` costs little. */
function farness(asked: readonly string[], pattern: readonly string[]): number {
  if (asked.length === pattern.length - 1 && asked[1] !== "v1") return 1 + farness(["", "v1", ...asked.slice(1)], pattern);
  if (asked.length !== pattern.length) return FAR + 1;
  return pattern.reduce((sum, segment, at) => sum + (segment.startsWith(":") ? 0 : editDistance(asked[at] ?? "", segment)), 0);
}
