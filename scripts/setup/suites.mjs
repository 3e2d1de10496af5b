import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { runContainer } from "./container.mjs";
import { buildImage } from "./image.mjs";
import { checkPython, testKeeper } from "./python-suites.mjs";
import { step } from "./say.mjs";

/**
 * The suites of `npm test` in the order they run: cheap ones first. Each `run` prints what happens and resolves with
 * { passed, failed, skipped, failures }, where failures says in a line each what failed. `context` holds root, args, env, print, and for those that
 * need them engine and image; `aside` says that another suite runs meanwhile. What is `light` keeps one processor busy: two such run at a time.
 * What is `onRequest`, for the reason given, runs only when it is named.
 */
export const suites = [
  // Incremental: the second run looks only at what changed.
  {
    name: "types",
    title: "types",
    light: true,
    run: check("typescript/bin/tsc", ["--noEmit", "--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"]),
  },
  { name: "lint", title: "lint", light: true, run: check("@biomejs/biome/bin/biome", ["check", "--max-diagnostics=100"]) },
  { name: "promises", title: "no promise is left behind", light: true, run: check("eslint/bin/eslint.js", ["."]) },
  {
    name: "imports",
    title: "import rules",
    light: true,
    run: check("dependency-cruiser/bin/dependency-cruise.mjs", ["src", "--config", ".dependency-cruiser.cjs"]),
  },
  { name: "unused", title: "unused code", light: true, run: check("knip/bin/knip.js", []) },
  { name: "python", title: "Python: types and lint", light: true, run: checkPython },
  { name: "python-unit", title: "Python: unit tests", light: true, run: (context) => testKeeper(context, countPytest) },
  { name: "unit", title: "unit tests", light: true, run: vitest("unit") },
  { name: "contract", title: "contract tests", run: vitest("contract") },
  { name: "image", title: "image tests", light: true, long: true, run: imageTests, needsEngine: true },
  { name: "attacks", title: "attacks", run: vitest("attacks"), needsEngine: true },
  { name: "oci", title: "OCI engine: its own tests, and all that knows a sandbox again", run: vitest("oci"), needsOci: true },
  {
    name: "own-linux",
    title: "OCI engine without root, in a Linux that runs as a process",
    run: vitest("own-linux"),
    needsOci: true,
    needsOwnLinux: true,
    onRequest: "it takes three minutes and the whole machine",
  },
  { name: "faults", title: "faults", run: vitest("faults"), needsEngine: true, needsOci: true },
  { name: "clients", title: "clients of other makers", run: vitest("clients"), needsEngine: true },
  { name: "ops", title: "what the people on call see", run: vitest("ops"), needsEngine: true },
  { name: "e2e", title: "end to end", run: vitest("e2e"), needsEngine: true },
];

/** One static check counts as one test. */
function check(tool, args) {
  return async (context) => {
    const code = await runShown([path.join(context.root, "node_modules", tool), ...args], context);
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, failures: [] };
  };
}

function vitest(project) {
  return async (context) => {
    const { root, args, dataFolder } = context;
    mkdirSync(dataFolder, { recursive: true });
    const report = path.join(dataFolder, `report-${project}.json`);
    rmSync(report, { force: true });
    const options = [
      "run",
      "--project",
      project,
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ];
    const code = await runShown([path.join(root, "node_modules/vitest/vitest.mjs"), ...options, ...args], context);
    return countVitest(existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : null, code);
  };
}

/** Counts of vitest's JSON report; a run that failed outside of any test, or left no report, counts as one failure. */
export function countVitest(report, exitCode) {
  if (report === null) return { passed: 0, failed: 1, skipped: 0, failures: ["no report was left"] };
  const passed = report.numPassedTests ?? 0;
  const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
  const failed = report.numFailedTests ?? 0;
  return { passed, failed: exitCode !== 0 && failed === 0 ? 1 : failed, skipped, failures: failuresOf(report) };
}

/** A failed test by file, name and first line of its message; a file that could not be run by its own message. */
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

/** pytest in a container of the image under test with pytest added. The tests make pid namespaces of their own. */
async function imageTests({ root, engine, image, args, print }) {
  const folder = path.join(root, "sandbox-image/tests");
  const name = `${image}-tests`;
  await step(`image ${name}`, async (progress) => {
    const files = ["Dockerfile"];
    await buildImage({ engine, folder, files, name, args: { IMAGE: image }, progress });
    return { note: "built" };
  });
  let printed = "";
  const code = await runContainer({
    engine,
    image: name,
    command: ["python3", "-B", "-m", "pytest", "-q", "-rfEs", "--color=no", "-p", "no:cacheprovider", ...args, "/tests"],
    hostConfig: {
      Init: true,
      PidsLimit: 256,
      Memory: 1024 ** 3,
      CapAdd: ["SYS_ADMIN"],
      SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
      Binds: [`${folder}:/tests:ro`, `${path.join(root, "test/fixtures")}:/fixtures:ro`],
    },
    onText: (text) => {
      print(text);
      printed += text;
    },
  });
  return countPytest(printed, code);
}

/**
 * Counts of pytest's last line, as in `2 failed, 300 passed, 1 skipped in 12.34s`; errors count as failures, and so
 * does a run without a line to count.
 */
export function countPytest(printed, exitCode) {
  const summary = printed.match(/^.*\b\d+ (?:passed|failed|skipped|error).* in [\d.]+s.*$/gm)?.pop() ?? "";
  const count = (word) => Number(summary.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  const failed = count("failed") + count("errors?");
  const unseen = failed === 0 && (exitCode !== 0 || summary === "");
  const failures = printed.match(/^(?:FAILED|ERROR) .*$/gm) ?? [];
  return { passed: count("passed"), failed: unseen ? 1 : failed, skipped: count("skipped"), failures };
}

/** Runs a program of Node whose output is for the reader; resolves with its exit code. */
function runShown(args, { root, env, print, aside }) {
  return new Promise((resolve) => {
    const output = aside ? "pipe" : "inherit";
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", output, output] });
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", print);
    child.on("error", (error) => {
      print(`${error.message}\n`);
      resolve(1);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** The suites of these names, in their own order; without names all but those on request. `checks` stands for those that start nothing. */
export function chooseSuites(names) {
  if (names.length === 0) return suites.filter((suite) => suite.onRequest === undefined);
  const wanted = new Set(
    names.flatMap((name) => (name === "checks" ? ["types", "lint", "promises", "imports", "unused", "python"] : [name])),
  );
  const unknown = [...wanted].filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0)
    throw new RangeError(`There is no suite ${unknown.join(", ")}; there are checks, ${suites.map((suite) => suite.name).join(", ")}.`);
  return suites.filter((suite) => wanted.has(suite.name));
}
