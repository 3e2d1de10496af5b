import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { networkScript, SCRIPT } from "../network/script.mjs";
import { readSettings } from "../network/settings.mjs";
import { runCommand } from "./run-command.mjs";
import { SetupError } from "./say.mjs";

/** Instructions about how a container starts. The OCI engine's config.json states that instead. */
const FOR_CONTAINERS = new Set(["LABEL", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]);

/** Runs one command in the root file system, in its own mount and process namespaces, so that no mount or process remains. */
const IN_ROOT = 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$1" /bin/sh -c "$2"';

/**
 * Applies the sandbox image's Dockerfile to a folder, so that one recipe makes both. Supports only the instructions in
 * that file and fails on others. All stages share the one folder.
 */
export async function runDockerfile({ folder, target, args, progress }) {
  const values = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
  // A RUN downloads as this machine does. The script is no part of the folder that is copied from, and is removed at the end.
  const script = path.join(target, "build", SCRIPT);
  mkdirSync(path.dirname(script), { recursive: true });
  writeFileSync(script, networkScript(readSettings()), { mode: 0o600 });
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
      throw new SetupError(`The Dockerfile has an instruction that only Docker supports: ${instruction}`);
    }
  }
  rmSync(path.dirname(script), { recursive: true, force: true });
  rmSync(resolver, { force: true });
}

/** Instructions in order. A backslash at the end continues a line; comments are dropped. */
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
  // An earlier stage is the same folder here.
  if (words[0].startsWith("--from=")) return;
  const to = words.at(-1);
  for (const name of words.slice(0, -1)) {
    const source = path.join(folder, name);
    // A name with a pattern is an optional file: the script, which is there already.
    if (name.includes("[")) continue;
    const place = path.join(target, to, to.endsWith("/") ? name : "");
    mkdirSync(path.dirname(place), { recursive: true });
    cpSync(source, place, { recursive: true, filter: (file) => !file.includes("__pycache__") });
  }
}
