import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./run-command.mjs";
import { SetupError } from "./say.mjs";

/** Instructions that say how a container is started; the other engine's config.json says that. */
const FOR_CONTAINERS = new Set(["LABEL", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]);

/** One command in the root file system, in mount and process namespaces of its own, so that nothing of it stays. */
const IN_ROOT = 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$1" /bin/sh -c "$2"';

/**
 * Does in a folder what our Dockerfile does in an image, so that one list of steps makes both. Knows only the
 * instructions that are in it, and fails on any other; its stages all work on the one folder.
 */
export async function runDockerfile({ folder, target, args, progress }) {
  const values = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", ...proxies() };
  const resolver = path.join(target, "etc/resolv.conf");
  if (existsSync("/etc/resolv.conf")) copyFileSync("/etc/resolv.conf", resolver);
  for (const { instruction, text } of parseDockerfile(readFileSync(path.join(folder, "Dockerfile"), "utf8"))) {
    progress(`${instruction} ${text}`);
    if (instruction === "ARG") {
      const [name, fallback = ""] = text.split("=");
      values[name] = args[name] ?? fallback;
    } else if (instruction === "COPY") copy({ folder, target, words: text.split(/\s+/) });
    else if (instruction === "RUN") {
      await runCommand("unshare", ["--mount", "--pid", "--fork", "/bin/sh", "-c", IN_ROOT, "sh", target, text], { progress, env: values });
    } else if (instruction !== "FROM" && !FOR_CONTAINERS.has(instruction)) {
      throw new SetupError(`The Dockerfile has an instruction that is only for Docker: ${instruction}`);
    }
  }
  rmSync(resolver, { force: true });
}

/** Instructions in their order; lines that end in a backslash go on, comments between them do not count. */
export function parseDockerfile(source) {
  const joined = source
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join("\n")
    .replace(/\\\n/g, " ");
  return joined
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, instruction, text] = /^(\w+)\s+(.*)$/.exec(line.trim());
      return { instruction: instruction.toUpperCase(), text: text.trim() };
    });
}

function copy({ folder, target, words }) {
  // From an earlier stage: here that is the same folder.
  if (words[0].startsWith("--from=")) return;
  const to = words.at(-1);
  for (const name of words.slice(0, -1)) {
    const source = path.join(folder, name);
    const place = path.join(target, to, to.endsWith("/") ? name : "");
    mkdirSync(path.dirname(place), { recursive: true });
    cpSync(source, place, { recursive: true, filter: (file) => !file.includes("__pycache__") });
  }
}

function proxies() {
  const names = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  return Object.fromEntries(names.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
}
