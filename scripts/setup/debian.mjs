import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./run-command.mjs";
import { SetupError } from "./say.mjs";

const APT_ENVIRONMENT = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
/** What an image of Debian names as its archive. */
export const DEBIAN_ARCHIVE = "http://deb.debian.org/debian";
let listsUpdated = false;

/** Whether packages can be installed: as root on a system with apt. */
export function canInstall() {
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
}

/** Path of a command on the PATH or in the administrator's folders; null if there is none. */
export function findCommand(name) {
  const folders = [...(process.env.PATH ?? "").split(path.delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** Installs Debian packages without recommended ones. Throws a SetupError that names the packages if it cannot. */
export async function installPackages(packages, { progress, why }) {
  if (!canInstall()) {
    throw new SetupError(`${why}\nInstall it (on Debian or Ubuntu, as root: apt-get install ${packages.join(" ")}) and start again.`);
  }
  if (!listsUpdated) {
    progress("apt-get update");
    // A third-party list that does not answer must not stop Debian's own.
    await runCommand("apt-get", ["update", "-q"], { progress, env: APT_ENVIRONMENT }).catch((error) => progress(error.message));
    listsUpdated = true;
  }
  const options = ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
  await runCommand("apt-get", [...options, ...packages], { progress, env: APT_ENVIRONMENT });
}

/** The Debian mirror of this machine; deb.debian.org if it has none or is not Debian. */
export function debianMirror() {
  return mirrorsIn(readSources()).archive ?? DEBIAN_ARCHIVE;
}

/** Text of apt's source lists; empty when this machine is not Debian. */
export function readSources() {
  if (!isDebian()) return "";
  const folder = "/etc/apt/sources.list.d";
  const files = ["/etc/apt/sources.list", ...(existsSync(folder) ? readdirSync(folder).map((file) => path.join(folder, file)) : [])];
  return files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
}

/** The first Debian archive and the first security archive in apt's source lists, in either format; null where there is none. */
export function mirrorsIn(sources) {
  const lines = sources.split("\n").filter((line) => /^\s*(deb\s|URIs:)/.test(line));
  const first = (pattern) => lines.map((line) => line.match(pattern)?.[0].replace(/\/$/, "")).find((address) => address) ?? null;
  return {
    archive: first(/https?:\/\/\S+?\/debian\/?(?=\s|$)/),
    security: first(/https?:\/\/\S+?\/debian-security\/?(?=\s|$)/),
  };
}

function isDebian() {
  return existsSync("/etc/os-release") && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
}
