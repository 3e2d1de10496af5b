import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface CpuProfile {
  nodes: Array<{ id: number; callFrame: { functionName: string; url: string; lineNumber: number } }>;
  samples: number[];
  timeDeltas: number[];
}

export interface Share {
  name: string;
  percent: number;
}

/** Self time of a profiled process by package or folder and by function, without idle time. */
export function summarizeProfile(folder: string, count: number): { modules: Share[]; functions: Share[] } {
  const file = readdirSync(folder).find((name) => name.endsWith(".cpuprofile"));
  if (file === undefined) throw new Error("the profiled process left no profile");
  const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const modules = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const micros = profile.timeDeltas[index] ?? 0;
    if (frame === undefined || frame.functionName === "(idle)" || frame.functionName === "(root)") continue;
    total += micros;
    const module = moduleOf(frame);
    const place = frame.url === "" ? "" : ` ${frame.url.split("/").slice(-2).join("/")}:${frame.lineNumber + 1}`;
    modules.set(module, (modules.get(module) ?? 0) + micros);
    const name = `${frame.functionName || "(anonymous)"}${place}`;
    functions.set(name, (functions.get(name) ?? 0) + micros);
  }
  return { modules: top(modules, total, count), functions: top(functions, total, count) };
}

/** The npm package, our folder or Node's module; otherwise V8's name. */
function moduleOf(frame: { functionName: string; url: string }): string {
  const { url } = frame;
  if (url === "") return frame.functionName.startsWith("(") ? frame.functionName : "native";
  if (url.startsWith("node:")) return url.startsWith("node:internal") ? url.split("/").slice(0, 2).join("/") : url;
  const packaged = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (packaged !== null) return packaged[1] as string;
  return /\/((?:src|test|bench)\/[^/]+)/.exec(url)?.[1] ?? url;
}

function top(times: ReadonlyMap<string, number>, total: number, count: number): Share[] {
  return [...times]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, micros]) => ({ name, percent: Math.round((1000 * micros) / total) / 10 }));
}
