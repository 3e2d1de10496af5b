import type { Limits } from "../../domain/limits.ts";
import { type SandboxPackages, sandboxPackages } from "../../domain/packages.ts";
import type { Engine } from "../../domain/run.ts";
import { printedBy, runProgram } from "./run-program.ts";

const PROGRAM = `
import importlib.metadata, json, pathlib, platform, re
modules = {}
for module, names in importlib.metadata.packages_distributions().items():
    for name in names:
        if module.isidentifier() and not module.startswith("_"): modules.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(module)
found = {}
for one in importlib.metadata.distributions():
    key = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()
    # The first on the path is the one that is imported.
    if key: found.setdefault(key, {"name": one.metadata["Name"], "version": one.version.partition("+")[0], "modules": sorted(modules.get(key, ()))})
variant = pathlib.Path("/opt/variant")
print(json.dumps({
    "variant": variant.read_text().strip() if variant.exists() else None,
    "python": platform.python_version(),
    "packages": [found[key] for key in sorted(found)],
}))`;

/** The packages in the sandboxes, or null when they cannot be read. Call it before any other code has run in a sandbox. */
export async function readPackages(engine: Pick<Engine, "run">, limits: Limits): Promise<SandboxPackages | null> {
  const end = await runProgram(engine, limits, { name: "packages", code: PROGRAM });
  if (end.status !== "completed") return null;
  try {
    return sandboxPackages.safeParse(JSON.parse(printedBy(end))).data ?? null;
  } catch {
    return null;
  }
}
