import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./run-command.mjs";
import { step } from "./say.mjs";

/** Makes node_modules match package-lock.json. */
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
      await npm(["ci", "--include=dev", "--prefer-offline"], { progress, cwd: root });
    }
    writeFileSync(stamp, hash);
    return { note: asLocked ? "up to date" : "installed" };
  });
}

/**
 * Installs a release of Node for tests beside the npm packages and returns the folder of its `node`. npm's package `node`
 * is a script that fetches the package for this system; here npm gets that one itself, as scripts of packages do not run.
 */
export function ensureNode({ root, version }) {
  const cache = path.join(root, `node_modules/.cache/node-${version}`);
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const folder = path.join(cache, "node_modules", name, "bin");
  return step(`Node ${version}`, async (progress) => {
    if (existsSync(path.join(folder, "node"))) return { note: "up to date" };
    mkdirSync(cache, { recursive: true });
    // Without a package.json of its own npm would install into the project.
    writeFileSync(path.join(cache, "package.json"), "{}\n");
    await npm(["install", "--prefix", cache, "--no-save", "--prefer-offline", `${name}@${version}`], { progress, cwd: cache });
    return { note: "installed" };
  }).then(() => folder);
}

function npm(args, options) {
  const file = process.env.npm_execpath;
  const [command, first] = file?.endsWith(".js") ? [process.execPath, [file]] : ["npm", []];
  return runCommand(command, [...first, ...args, "--no-audit", "--no-fund"], options);
}

/** Whether npm's record of installed packages matches the lock file. Optional packages may be absent. */
export function holdsLocked(installed, locked) {
  return Object.entries(locked.packages).every(([name, entry]) => {
    if (name === "" || entry.optional || entry.peer) return true;
    const found = installed.packages?.[name];
    return found?.version === entry.version && found?.integrity === entry.integrity;
  });
}

/** Compiles src to dist if the sources changed. */
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

/** Hash of all parts. Each is preceded by its length, so that moving a boundary between two changes the hash. */
export function sha256(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}
