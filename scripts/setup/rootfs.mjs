import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { debootstrapInto, hasImage } from "./base-image.mjs";
import { findEngine } from "./docker.mjs";
import { runDockerfile } from "./dockerfile.mjs";
import { ask, askJson } from "./engine-api.mjs";
import { imageInputs, imageTag, REPOSITORY } from "./image.mjs";
import { SetupError, step } from "./say.mjs";

const EXPORT_IDLE_MS = 10 * 60_000;
/** File beside a root file system with the hash of its content at creation. */
const SEAL = "seal";

/**
 * Ensures that the root file system for these inputs exists; returns its folder. It is exported from the sandbox image if
 * an engine has that, otherwise made from Debian packages by the same Dockerfile.
 */
export function ensureRootfs({ dataFolder, root, variant = "default", env = process.env }) {
  return step("root file system", async (progress) => {
    if (env.SANDBOX_ROOTFS) return { folder: path.resolve(env.SANDBOX_ROOTFS), note: `chosen with SANDBOX_ROOTFS` };
    const inputs = path.join(root, "sandbox-image");
    const tag = imageTag(inputs, imageInputs(inputs), variant);
    const home = path.join(dataFolder, "rootfs", tag);
    const folder = path.join(home, "root");
    if (existsSync(path.join(home, SEAL))) {
      progress("verifying");
      if (readFileSync(path.join(home, SEAL), "utf8") === sealOf(folder)) return { folder, note: `${tag}, verified` };
      progress("its content has changed; making it again");
    }
    needsRoot();
    rmSync(home, { recursive: true, force: true });
    mkdirSync(path.dirname(home), { recursive: true });
    const made = mkdtempSync(path.join(path.dirname(home), "making-"));
    const target = path.join(made, "root");
    mkdirSync(target, { mode: 0o755 });
    const how =
      (await exportImage({ target, name: `${REPOSITORY}:${tag}`, env, progress })) ?? (await build({ target, inputs, variant, progress }));
    chmodSync(target, 0o755);
    writeFileSync(path.join(made, SEAL), sealOf(target));
    renameSync(made, home);
    return { folder, note: `${tag}, ${how}` };
  }).then(({ folder }) => folder);
}

/** Hash of a folder's content: names, types, owners, modes, links and bytes. */
export function sealOf(folder) {
  const hash = createHash("sha256");
  const visit = (relative) => {
    for (const name of readdirSync(path.join(folder, relative)).sort()) {
      const inside = path.join(relative, name);
      const file = path.join(folder, inside);
      const status = lstatSync(file);
      hash.update(`${inside}\0${status.mode}\0${status.uid}\0${status.gid}\0${status.rdev}\0`);
      if (status.isSymbolicLink()) hash.update(readlinkSync(file));
      else if (status.isFile()) hash.update(`${status.size}\0`).update(readFileSync(file));
      else if (status.isDirectory()) visit(inside);
    }
  };
  visit("");
  return hash.digest("hex");
}

function needsRoot() {
  if (process.getuid?.() === 0) return;
  throw new SetupError("The root file system's files belong to root. Run once as root: node scripts/setup.mjs rootfs");
}

/** Exports the image; resolves with null if no engine has it. */
async function exportImage({ target, name, env, progress }) {
  const found = await findEngine(env);
  if (found === null || !(await hasImage(found.engine, name))) return null;
  progress(`exporting ${name}`);
  const { engine } = found;
  const created = await askJson(engine, {
    method: "POST",
    path: "/containers/create",
    body: JSON.stringify({ Image: name }),
    idleMs: 60_000,
  });
  try {
    const response = await ask(engine, { path: `/containers/${created.Id}/export`, idleMs: EXPORT_IDLE_MS });
    const tar = spawn("tar", ["-C", target, "--numeric-owner", "-x", "-p"], { stdio: ["pipe", "ignore", "inherit"] });
    const ended = new Promise((resolve) => tar.once("exit", resolve));
    await pipeline(response, tar.stdin);
    if ((await ended) !== 0) throw new SetupError(`The image ${name} cannot be unpacked into ${target}.`);
  } finally {
    await askJson(engine, { method: "DELETE", path: `/containers/${created.Id}?force=1`, idleMs: 60_000 });
  }
  return `exported from ${name}`;
}

/** Without an engine: installs a minimal Debian and applies the Dockerfile to it. */
async function build({ target, inputs, variant, progress }) {
  await debootstrapInto(target, "there is no Docker engine with the sandbox image", progress);
  await runDockerfile({ folder: inputs, target, args: { VARIANT: variant }, progress });
  return "made from Debian packages";
}
