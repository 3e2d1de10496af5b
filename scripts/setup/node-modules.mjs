import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./run-command.mjs";
import { step } from "./say.mjs";

/** Makes sure that node_modules is what package-lock.json says. */
export function ensureNodeModules(root) {
  return step("npm packages", async (progress) => {
    const lock = readFileSync(path.join(root, "package-lock.json"), "utf8");
    const stamp = path.join(root, "node_modules/.stamp");
    const hash = sha256([lock]);
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return { note: "up to date" };
    const installed = path.join(root, "node_modules/.package-lock.json");
    const asLocked = existsSync(installed) && holdsLocked(JSON.parse(readFileSync(installed, "utf8")), JSON.parse(lock));
    if (!asLocked) {
      progress("npm ci");
      const npm = process.env.npm_execpath;
      const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
      await runCommand(command, [...first, "ci", "--include=dev", "--no-audit", "--no-fund", "--prefer-offline"], { progress, cwd: root });
    }
    writeFileSync(stamp, hash);
    return { note: asLocked ? "up to date" : "installed" };
  });
}

/** Whether npm's record of what it installed agrees with the lock file; optional packages may be absent. */
export function holdsLocked(installed, locked) {
  return Object.entries(locked.packages).every(([name, entry]) => {
    if (name === "" || entry.optional || entry.peer) return true;
    const found = installed.packages?.[name];
    return found?.version === entry.version && found?.integrity === entry.integrity;
  });
}

/** Compiles src to dist when its sources changed. */
export function ensureBuilt(root) {
  return step("build", async (progress) => {
    const sources = filesUnder(path.join(root, "src")).filter((file) => file.endsWith(".ts"));
    const settings = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"].map((file) => path.join(root, file));
    const hash = sha256([...settings, ...sources].flatMap((file) => [path.relative(root, file), readFileSync(file)]));
    const stamp = path.join(root, "dist/.stamp");
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return { note: "up to date" };
    rmSync(stamp, { force: true });
    progress("tsc");
    await runCommand(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { progress, cwd: root });
    mkdirSync(path.dirname(stamp), { recursive: true });
    writeFileSync(stamp, hash);
    return { note: "compiled" };
  });
}

/** All regular files under a folder, sorted by path. */
export function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Hash of parts, each preceded by its length, so that moving a border changes it. */
export function sha256(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}
