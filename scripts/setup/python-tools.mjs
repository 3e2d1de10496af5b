import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { findCommand, installPackages } from "./debian.mjs";
import { sha256 } from "./node-modules.mjs";
import { runCommand, succeeds } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

const OLDEST = [3, 11];
const made = new Map();

/**
 * Makes sure that the packages of a group in pyproject.toml exist, in a virtual environment under node_modules/.cache, and returns the
 * path of its bin folder. The programs in it name that folder, so a checkout that moved gets another. Throws SetupError saying what to
 * install when the machine has no suitable python3. Concurrent calls share one installation.
 */
export function ensurePythonTools({ root: given, progress, group = "dev" }) {
  // With or without a final slash, a checkout is one and the same.
  const root = path.resolve(given);
  const key = `${group} ${root}`;
  const installed = () => (progress ? install(root, group, progress) : step(titles[group], (inner) => install(root, group, inner)));
  if (!made.has(key))
    made.set(
      key,
      installed().then(({ bin }) => bin),
    );
  return made.get(key);
}

const titles = {
  dev: "Python tools",
  clients: "Python clients",
  "clients-behind": "Python clients behind the newest",
  charts: "Helm for Python",
  "client-types": "types of the Python client",
};

async function install(root, group, progress) {
  const pins = pinsIn(readFileSync(path.join(root, "pyproject.toml"), "utf8"), group);
  await ensurePython(progress);
  const [version] = await runCommand("python3", ["-c", "import sys; print(sys.version, sys.prefix)"]);
  const folder = path.join(root, `node_modules/.cache/python-tools-${sha256([...pins, version, root]).slice(0, 16)}`);
  const bin = path.join(folder, "bin");
  const stamp = path.join(folder, ".complete");
  if (existsSync(stamp)) return { bin, note: "up to date" };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.dirname(folder), { recursive: true });
  progress("python3 -m venv");
  await runCommand("python3", ["-m", "venv", folder], { progress });
  progress(`pip install ${pins.join(" ")}`);
  const options = ["--quiet", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"];
  await runCommand(path.join(bin, "python"), ["-m", "pip", "install", ...options, ...pins], { progress });
  writeFileSync(stamp, "");
  return { bin, note: "installed" };
}

/** The exact versions in a dependency group of pyproject.toml, as pip takes them. */
export function pinsIn(pyproject, group = "dev") {
  const groups = pyproject.match(/^\[dependency-groups\]\n([\s\S]*?)(?=^\[[a-z]|(?![\s\S]))/m)?.[1] ?? "";
  const members = groups.match(new RegExp(`^${group} = \\[\n((?:.*\n)*?)\\]`, "m"))?.[1] ?? "";
  const pins = [...members.matchAll(/^\s*"([^"]+)",?$/gm)].map(([, pin]) => pin);
  if (pins.length === 0 || !pins.every((pin) => /^[\w.-]+(?:\[[\w,-]+\])?==[\w.]+$/.test(pin)))
    throw new SetupError(`pyproject.toml must pin every tool of the dependency group ${group}, as in mypy==1.2.3.`);
  return pins;
}

async function ensurePython(progress) {
  const packages = ["python3", "python3-venv"];
  const why = `The Python checks need python3, version ${OLDEST.join(".")} or later, with venv.`;
  const canMakeVenv = async () => findCommand("python3") !== null && (await succeeds("python3", ["-c", "import ensurepip, venv"]));
  if (!(await canMakeVenv())) await installPackages(packages, { progress, why });
  if (!(await succeeds("python3", ["-c", `import sys; sys.exit(sys.version_info < (${OLDEST.join(", ")}))`])))
    throw new SetupError(`${why}\nThe python3 on the PATH is older: install a later one and put it first on the PATH.`);
}
