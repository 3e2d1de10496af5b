import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { runContainer } from "./container.mjs";
import { ensureImage } from "./image.mjs";
import { ensureNode } from "./node-modules.mjs";
import { checkPython, testKeeper } from "./python-suites.mjs";

/**
 * The suites of `npm test` in the order they run: quick ones first. `run(context)` prints progress and resolves with
 * { passed, failed, skipped, failures, files }: counts, one line for each failure, and the time that each file took.
 *
 * - `inCheck`: part of `npm run check`, as a "static" check or as "tests". Needs no engine, no Redis and no Debian package.
 * - `beside`: suites of one group run two at a time, `long` ones first. Only suites that mostly wait, or keep one
 *   processor busy, share a group: tests on a loaded machine fail for no reason.
 * - `needsEngine`, `needsOci`, `needsBuild`: what the suite needs prepared: a Docker engine with the sandbox image, an OCI
 *   runtime with a root file system, the compiled service.
 * - `needsPythonClients`: the Python clients of other vendors, see `clients` and `clients-behind` in pyproject.toml.
 * - `tools`: commands that the suite calls, to be installed as Debian packages.
 * - `onRequest`: the reason why the suite runs only when named.
 */
export const suites = [
  // Incremental: the second run checks only what changed.
  {
    name: "types",
    title: "types",
    inCheck: "static",
    beside: "checks",
    run: check("typescript/bin/tsc", ["--noEmit", "--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"]),
  },
  {
    name: "lint",
    title: "lint",
    inCheck: "static",
    beside: "checks",
    run: check("@biomejs/biome/bin/biome", ["check", "--max-diagnostics=100"]),
  },
  { name: "promises", title: "unhandled promises", inCheck: "static", beside: "checks", long: true, run: checkPromises },
  {
    name: "imports",
    title: "import rules",
    inCheck: "static",
    beside: "checks",
    run: check("dependency-cruiser/bin/dependency-cruise.mjs", ["src", "--config", ".dependency-cruiser.cjs"]),
  },
  { name: "unused", title: "unused code", inCheck: "static", beside: "checks", run: check("knip/bin/knip.js", ["--cache"]) },
  { name: "python", title: "Python: types, lint and format", inCheck: "static", beside: "checks", long: true, run: checkPython },
  {
    name: "python-unit",
    title: "keeper's unit tests",
    inCheck: "tests",
    beside: "checks",
    run: (context) => testKeeper(context, countPytest),
  },
  { name: "unit", title: "unit tests", inCheck: "tests", beside: "checks", long: true, run: vitest("unit") },
  { name: "api", title: "HTTP, queue, files and assistant on a real Redis", run: vitest("api"), tools: ["redis-server"] },
  { name: "node-22", title: "unit and api on Node 22", run: onNode("22.23.3"), tools: ["redis-server"] },
  { name: "node-24", title: "unit and api on Node 24", run: onNode("24.22.3"), tools: ["redis-server"] },
  { name: "image", title: "sandbox image", beside: "checks", long: true, run: imageTests, needsEngine: true },
  {
    name: "full",
    title: "packages of the variant full",
    run: fullTests,
    needsEngine: true,
    onRequest: "its image takes minutes to build and gigabytes to keep",
  },
  { name: "contract", title: "sandbox contract", run: vitest("contract"), needsEngine: true, tools: ["redis-server"] },
  { name: "attacks", title: "hostile programs", run: vitest("attacks"), needsEngine: true },
  {
    name: "oci",
    title: "OCI engine",
    run: vitest("oci"),
    needsPythonClients: true,
    needsOci: true,
    needsBuild: true,
    tools: ["redis-server"],
  },
  {
    name: "own-linux",
    title: "OCI engine without root, in User-mode Linux",
    run: vitest("own-linux"),
    needsOci: true,
    needsOwnLinux: true,
    needsBuild: true,
    tools: ["redis-server"],
    onRequest: "it takes three minutes and both processors",
  },
  {
    name: "faults",
    title: "faults",
    run: vitest("faults"),
    needsEngine: true,
    needsOci: true,
    needsBuild: true,
    tools: ["redis-server", "faketime"],
  },
  {
    name: "clients",
    title: "other vendors' clients",
    run: vitest("clients"),
    needsPythonClients: true,
    needsEngine: true,
    needsBuild: true,
    tools: ["redis-server"],
  },
  { name: "charts", title: "Helm chart", run: vitest("charts"), tools: [] },
  {
    name: "ops",
    title: "alerts and dashboards",
    run: vitest("ops"),
    needsEngine: true,
    needsBuild: true,
    tools: ["redis-server", "promtool"],
  },
  {
    name: "e2e",
    title: "end to end",
    run: vitest("e2e"),
    needsEngine: true,
    needsBuild: true,
    needsBrowser: true,
    tools: ["redis-server"],
  },
];

const groups = {
  check: suites.filter((suite) => suite.inCheck !== undefined).map((suite) => suite.name),
  checks: suites.filter((suite) => suite.inCheck === "static").map((suite) => suite.name),
};

/** A static check counts as one test. */
function check(tool, args) {
  return async (context) => {
    const code = await runShown([path.join(context.root, "node_modules", tool), ...args], context);
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, failures: [] };
  };
}

/**
 * The cache knows only the file itself, not the types that it imports. So it serves while one works; a run of all suites
 * checks every file.
 */
function checkPromises(context) {
  const cache = ["--cache", "--cache-strategy=content", "--cache-location=node_modules/.cache/eslint"];
  return check("eslint/bin/eslint.js", [".", ...(context.all ? [] : cache)])(context);
}

/** Runs `unit` and `api` on another release of Node, which npm installs. */
function onNode(version) {
  return async (context) => {
    const folder = await ensureNode({ root: context.root, version });
    const node = path.join(folder, "node");
    const env = { ...context.env, PATH: `${folder}${path.delimiter}${context.env.PATH ?? ""}` };
    return vitest("unit", "api")({ ...context, node, env });
  };
}

function vitest(...projects) {
  return async (context) => {
    const { root, args, dataFolder } = context;
    mkdirSync(dataFolder, { recursive: true });
    const report = path.join(dataFolder, `report-${context.suite.name}.json`);
    rmSync(report, { force: true });
    const options = ["run", "--passWithNoTests", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    for (const project of projects) options.push("--project", project);
    const code = await runShown([path.join(root, "node_modules/vitest/vitest.mjs"), ...options, ...args], context);
    const read = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : null;
    return { ...countVitest(read, code), files: filesOf(read) };
  };
}

/** Counts vitest's JSON report. A run that failed outside of any test, or left no report, counts as one failure. */
export function countVitest(report, exitCode) {
  if (report === null) return { passed: 0, failed: 1, skipped: 0, failures: ["no report was left"] };
  const passed = report.numPassedTests ?? 0;
  const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
  const failed = report.numFailedTests ?? 0;
  return { passed, failed: exitCode !== 0 && failed === 0 ? 1 : failed, skipped, failures: failuresOf(report) };
}

/** Each file with its time in milliseconds. */
function filesOf(report) {
  return (report?.testResults ?? []).map(({ name, startTime = 0, endTime = 0 }) => ({ name, ms: endTime - startTime }));
}

/** A failed test by file, name and first line of its message; a file that could not run by its own message. */
function failuresOf(report) {
  return (report.testResults ?? []).flatMap(({ name, message, assertionResults = [] }) => {
    const failed = assertionResults.filter((result) => result.status === "failed");
    const lines = failed.map((result) => `${result.fullName}: ${firstLine(result.failureMessages?.[0])}`);
    if (lines.length === 0 && message) lines.push(firstLine(message));
    return lines.map((line) => `${path.basename(name)}: ${line}`);
  });
}

function firstLine(text = "") {
  return text.split("\n", 1)[0].slice(0, 300);
}

/** Runs the image's own pytest in a container of it. The tests make process namespaces, which takes SYS_ADMIN. */
function imageTests(context) {
  return pytestIn({ ...context, args: ["--ignore=/tests/full", ...context.args, "/tests"] });
}

/** Builds the variant `full` and runs its own tests in it. Not part of a run of all suites: the image takes minutes and gigabytes. */
async function fullTests(context) {
  const { name: image } = await ensureImage({ engine: context.engine, root: context.root, variant: "full", env: {} });
  return pytestIn({ ...context, image, args: [...context.args, "/tests/full"] });
}

async function pytestIn({ root, engine, image, args, print }) {
  let printed = "";
  const code = await runContainer({
    engine,
    image,
    user: "0:0",
    entrypoint: ["python3"],
    command: ["-B", "-m", "pytest", "-q", "-rfEs", "--color=no", "-p", "no:cacheprovider", ...args],
    workingFolder: "/tests",
    hostConfig: {
      Init: true,
      PidsLimit: 256,
      Memory: 1024 ** 3,
      CapAdd: ["SYS_ADMIN"],
      SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
      Binds: [`${path.join(root, "sandbox-image/tests")}:/tests:ro`, `${path.join(root, "test/fixtures")}:/fixtures:ro`],
    },
    onText: (text) => {
      print(text);
      printed += text;
    },
  });
  return countPytest(printed, code);
}

/**
 * Counts pytest's last line, as in `2 failed, 300 passed, 1 skipped in 12.34s`. An error counts as a failure, and so does
 * a run without that line.
 */
export function countPytest(printed, exitCode) {
  const summary = printed.match(/^.*\b\d+ (?:passed|failed|skipped|error).* in [\d.]+s.*$/gm)?.pop() ?? "";
  const count = (word) => Number(summary.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  const failed = count("failed") + count("errors?");
  const unseen = failed === 0 && (exitCode !== 0 || summary === "");
  const failures = printed.match(/^(?:FAILED|ERROR) .*$/gm) ?? [];
  return { passed: count("passed"), failed: unseen ? 1 : failed, skipped: count("skipped"), failures };
}

/** Runs a Node program and shows its output; resolves with its exit code. */
function runShown(args, { root, env, print, aside, node = process.execPath }) {
  return new Promise((resolve) => {
    const output = aside ? "pipe" : "inherit";
    const child = spawn(node, args, { cwd: root, env, stdio: ["ignore", output, output] });
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", print);
    child.on("error", (error) => {
      print(`${error.message}\n`);
      resolve(1);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** The suites with these names in the order of `suites`; without names, all but those on request. A name may be a group. */
export function chooseSuites(names) {
  if (names.length === 0) return suites.filter((suite) => suite.onRequest === undefined);
  const wanted = new Set(names.flatMap((name) => groups[name] ?? [name]));
  const unknown = [...wanted].filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    const known = [...Object.keys(groups), ...suites.map((suite) => suite.name)];
    throw new RangeError(`There is no suite ${unknown.join(", ")}. The suites are ${known.join(", ")}.`);
  }
  return suites.filter((suite) => wanted.has(suite.name));
}
