import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readSettings } from "../network/settings.mjs";
import { DEBIAN_ARCHIVE, debianMirror, findCommand, installPackages } from "./debian.mjs";
import { ask, askJson, describeMessage, follow } from "./engine-api.mjs";
import { runCommand } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

export const BASE_IMAGE = "debian:trixie-slim";
const SUITE = "trixie";
/** A registry that is silent for this long counts as unreachable. */
const PULL_IDLE_MS = 20_000;
const IMPORT_IDLE_MS = 10 * 60_000;
/** Debian's slim images leave these out too. */
const NOT_IMPORTED = [
  "./var/cache/apt/*",
  "./var/lib/apt/lists/*",
  "./usr/share/doc/*",
  "./usr/share/man/*",
  "./usr/share/locale/*",
  "./var/log/*",
];

/** Ensures that the engine has the base image: pulls it, or makes it from Debian packages if no registry answers. */
export function ensureBaseImage(engine) {
  return step(`base image ${BASE_IMAGE}`, async (progress) => {
    if (await hasImage(engine, BASE_IMAGE)) return { note: "present" };
    const refusal = await pull(engine, progress);
    if (refusal === null) return { note: "pulled" };
    progress(`cannot be pulled (${refusal}); making it from Debian packages`);
    await bootstrap(engine, refusal, progress);
    return { note: "made with debootstrap, because no registry answers" };
  });
}

export async function hasImage(engine, name) {
  const response = await ask(engine, { path: `/images/${encodeURIComponent(name)}/json` });
  response.resume();
  if (response.statusCode === 200) return true;
  if (response.statusCode === 404) return false;
  throw new SetupError(`The Docker engine answered ${response.statusCode} for the image ${name}.`);
}

/** Resolves with null if pulled, otherwise with the engine's reason. */
async function pull(engine, progress) {
  const [name, tag] = BASE_IMAGE.split(":");
  progress("pulling");
  try {
    const response = await ask(engine, { method: "POST", path: `/images/create?fromImage=${name}&tag=${tag}`, idleMs: PULL_IDLE_MS });
    await follow(response, (message) => progress(describeMessage(message) ?? ""));
    return null;
  } catch (error) {
    return error.message;
  }
}

/** Installs a minimal Debian into a temporary folder and imports it. */
async function bootstrap(engine, refusal, progress) {
  const folder = mkdtempSync("/var/tmp/code-interpreter-base-");
  try {
    await debootstrapInto(folder, `${BASE_IMAGE} cannot be pulled (${refusal})`, progress);
    progress("importing");
    await importFolder(engine, folder, progress);
  } finally {
    await removeTree(folder);
  }
}

/** Installs a minimal Debian into a folder. Its files belong to root, so it must run as root. */
export async function debootstrapInto(folder, reason, progress) {
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      `${reason}.\nGive the engine access to a registry, load the image (docker load), or run setup as root to make it from Debian packages.`,
    );
  }
  if (!findCommand("debootstrap") || !findCommand("tar")) {
    await installPackages(["debootstrap", "debian-archive-keyring", "tar"], {
      progress,
      why: `${reason}, so debootstrap makes it.`,
    });
  }
  const args = ["--variant=minbase", SUITE, folder, debianMirror()];
  // Releases of debootstrap older than the suite have no script for it. All recent suites share that of sid.
  if (!hasSuiteScript()) args.push("/usr/share/debootstrap/scripts/sid");
  await runCommand(findCommand("debootstrap"), args, { progress, env: { ...readSettings().aptProxies, ...process.env } });
  // The mirror is this machine's affair; a build that needs it gets it anew.
  writeFileSync(path.join(folder, "etc/apt/sources.list"), `deb ${DEBIAN_ARCHIVE} ${SUITE} main\n`);
}

function hasSuiteScript() {
  try {
    return readFileSync(path.join("/usr/share/debootstrap/scripts", SUITE)).length > 0;
  } catch {
    return false;
  }
}

async function importFolder(engine, folder, progress) {
  const [name, tag] = BASE_IMAGE.split(":");
  const excluded = NOT_IMPORTED.map((pattern) => `--exclude=${pattern}`);
  const tar = spawn("tar", ["-C", folder, "--numeric-owner", ...excluded, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const query = new URLSearchParams({
    fromSrc: "-",
    repo: name,
    tag,
    changes: 'CMD ["bash"]',
    message: "debootstrap --variant=minbase trixie",
  });
  const response = await ask(engine, {
    method: "POST",
    path: `/images/create?${query}`,
    headers: { "content-type": "application/x-tar" },
    body: tar.stdout,
    idleMs: IMPORT_IDLE_MS,
  });
  await follow(response, (message) => progress(describeMessage(message) ?? ""));
  if (tar.exitCode !== 0) throw new SetupError(`tar ended with exit code ${tar.exitCode} while reading ${folder}`);
}

/** Deletes the folder unless something is still mounted below it: deletion would reach through the mount. */
async function removeTree(folder) {
  if (readFileSync("/proc/self/mountinfo", "utf8").includes(` ${folder}/`)) return;
  await runCommand("rm", ["-rf", "--one-file-system", folder]).catch(() => {});
}

/** The engine's images of one repository. */
export function imagesOf(engine, repository) {
  return askJson(engine, { path: `/images/json?filters=${encodeURIComponent(JSON.stringify({ reference: [repository] }))}` });
}
