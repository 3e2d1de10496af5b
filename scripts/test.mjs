import path from "node:path";
import { canInstall, findCommand, installPackages } from "./setup/debian.mjs";
import { howToStop } from "./setup/docker.mjs";
import { ensureOciRuntimes, ensureRuntimes } from "./setup/gvisor.mjs";
import { ensureBuilt, ensureNodeModules } from "./setup/node-modules.mjs";
import { ensureOwnLinux, ensureRootlessTools } from "./setup/oci.mjs";
import { ensurePythonTools } from "./setup/python-tools.mjs";
import { giveUp, SetupError, say, seconds, step } from "./setup/say.mjs";
import { chooseSuites, suites } from "./setup/suites.mjs";
import { dataFolderOf, root, setupImage, setupOci } from "./setup.mjs";

const onRequest = suites.filter((suite) => suite.onRequest !== undefined);
const SLOWEST_SHOWN = 10;

const help = `Runs the tests: npm test

Prepares what is missing, as npm start does, then runs these suites in order. A failed suite does not stop the others.
  ${chooseSuites([])
    .map((suite) => suite.name)
    .join(", ")}
These run only when named:
  ${onRequest.map((suite) => `${suite.name} (${suite.onRequest})`).join(", ")}

  npm test -- unit contract       only these suites
  npm test -- check               the suites that need no engine and no Redis: npm run check
                                  (${chooseSuites(["check"])
                                    .map((suite) => suite.name)
                                    .join(", ")})
  npm test -- checks              the same without unit tests
  npm test -- e2e -t fairness     options after the suites go to vitest or pytest

The last line is the total: N passed, N failed, N skipped.`;

/** Debian packages that bring the commands which suites name as their tools. */
const packageOf = { faketime: "faketime", promtool: "prometheus", "redis-server": "redis-server" };

async function main() {
  const began = performance.now();
  const given = process.argv.slice(2);
  if (given.includes("--help") || given.includes("-h")) return console.log(help);
  const firstOption = given.findIndex((word) => word.startsWith("-"));
  const names = firstOption === -1 ? given : given.slice(0, firstOption);
  const args = firstOption === -1 ? [] : given.slice(firstOption);
  const chosen = choose(names);

  const dataFolder = path.join(dataFolderOf(process.env), "test");
  const print = (text) => process.stdout.write(text);
  const context = { root, args, dataFolder, print, all: names.length === 0, aside: false, env: { ...process.env, CI: "1" } };
  const results = [];
  let runnable = chosen;
  let made = null;
  try {
    made = await prepare(chosen, context);
  } catch (error) {
    // A failed preparation counts as one failure. Suites that do not depend on it still run.
    giveUp(error);
    results.push({ title: "setup", passed: 0, failed: 1, skipped: 0, failures: [error.message], time: seconds(began) });
    runnable = chosen.filter((suite) => !suite.needsEngine && !suite.needsOci);
  }

  while (runnable.length > 0) {
    const [suite] = runnable;
    const group = runnable.filter((other) => other === suite || (suite.beside !== undefined && other.beside === suite.beside));
    runnable = runnable.filter((other) => !group.includes(other));
    if (group.length > 1) {
      say(`\ntwo at a time, each shown at its end: ${group.map((one) => one.title).join(", ")}`);
      results.push(...(await runSideBySide(group, context)));
    } else {
      sayHeader(suite);
      results.push(await runSuite(suite, context));
    }
  }
  if (made?.startedBySetup) say(`\n${howToStop(dataFolderOf(process.env))}`);
  if (names.length === 0) for (const { name, onRequest: why } of onRequest) say(`\nNot run, as ${why}: npm test -- ${name}`);
  summarize(results);
  say(`in ${seconds(began)}`);
  if (results.some((result) => result.failed > 0)) process.exitCode = 1;
}

async function runSuite(suite, context) {
  const started = performance.now();
  const counts = await suite.run({ ...context, suite }).catch((error) => {
    context.print(`${error instanceof SetupError ? error.message : error.stack}\n`);
    return { passed: 0, failed: 1, skipped: 0, failures: [error.message] };
  });
  return { ...counts, title: suite.title, name: suite.name, time: seconds(started) };
}

/** Two at a time, long ones first. The output of a suite is shown in one piece; results keep the order of the suites. */
async function runSideBySide(list, context) {
  const waiting = [...list].sort((one, other) => Number(other.long ?? false) - Number(one.long ?? false));
  const results = new Map();
  const lane = async () => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) {
      let printed = "";
      const print = (text) => {
        printed += text;
      };
      results.set(suite, await runSuite(suite, { ...context, print, aside: true }));
      sayHeader(suite);
      context.print(printed);
    }
  };
  await Promise.all([lane(), lane()]);
  return list.map((suite) => results.get(suite));
}

function sayHeader({ title }) {
  say(`\n── ${title} ${"─".repeat(Math.max(0, 70 - title.length))}`);
}

/** Prepares what the chosen suites need and adds it to the context. Returns the engine and image if a suite needs them. */
async function prepare(chosen, context) {
  const needs = (name) => chosen.some((suite) => suite[name]);
  await ensureNodeModules(root);
  if (needs("needsBuild") || needs("needsOci")) await ensureBuilt(root);
  await ensureTestTools(chosen.flatMap((suite) => suite.tools ?? []));
  if (needs("needsOci")) {
    const { runtime, rootfs } = await setupOci({ dataFolder: dataFolderOf(process.env) });
    Object.assign(context.env, { OCI_RUNTIME: runtime, SANDBOX_ROOTFS: rootfs });
    const { runtimes } = await ensureOciRuntimes({ root, runtime, env: context.env });
    context.env.OCI_RUNTIMES = runtimes.join(",");
    await ensureRootlessTools();
  }
  if (needs("needsOwnLinux")) await ensureOwnLinux();
  if (needs("needsPythonClients"))
    for (const group of ["clients", "clients-behind", "client-types"]) await ensurePythonTools({ root, group });
  if (needs("needsBrowser")) await ensureBrowser();
  if (!needs("needsEngine")) return null;
  const made = await setupImage({ dataFolder: dataFolderOf(process.env) });
  const { runtimes } = await ensureRuntimes(made);
  Object.assign(context, { engine: made.engine, image: made.image });
  Object.assign(context.env, { SANDBOX_IMAGE: made.image, DOCKER_HOST: made.host, SANDBOX_RUNTIMES: runtimes.join(",") });
  return made;
}

function choose(names) {
  try {
    return chooseSuites(names);
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${help}`);
  }
}

async function ensureTestTools(tools) {
  const missing = [...new Set(tools)].filter((command) => !findCommand(command)).map((command) => packageOf[command]);
  if (missing.length === 0) return;
  await step("test tools", async (progress) => {
    if (!canInstall()) return { note: `missing: ${missing.join(", ")}; tests that need them fail or are skipped` };
    await installPackages(missing, { progress, why: "Tests need tools." });
    return { note: missing.join(", ") };
  });
}

/** Without a browser only the playground's tests are skipped. */
async function ensureBrowser() {
  if (findCommand("chromium")) return;
  await step("test browser", async (progress) => {
    const missing = (why) => ({ note: `no chromium (${why}); tests of the playground are skipped` });
    if (!canInstall()) return missing("not root, or no apt");
    try {
      await installPackages(["chromium"], { progress, why: "The playground is tested in a browser." });
      return { note: "chromium" };
    } catch (error) {
      return missing(error.message.split("\n")[0]);
    }
  });
}

/** Repeats the failures at the end, where a truncated log still shows them. */
function summarize(results) {
  say();
  const slowest = results
    .flatMap(({ name, files = [] }) => files.map((file) => ({ ...file, suite: name })))
    .sort((one, other) => other.ms - one.ms)
    .slice(0, SLOWEST_SHOWN);
  if (slowest.length > 0) console.log("Slowest files:");
  for (const { suite, name, ms } of slowest) {
    console.log(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${path.relative(root, name)} (${suite})`);
  }
  console.log();
  for (const { title, failures } of results) for (const failure of failures) console.log(`✗ ${title}: ${failure}`);
  const width = Math.max(...results.map((result) => result.title.length));
  for (const { title, time, passed, failed, skipped } of results) {
    console.log(`${failed === 0 ? "✓" : "✗"} ${title.padEnd(width)}  ${passed} passed, ${failed} failed, ${skipped} skipped (${time})`);
  }
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
}

await main().catch(giveUp);
