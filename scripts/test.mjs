import path from "node:path";
import { canInstall, findCommand, installPackages } from "./setup/debian.mjs";
import { howToStop } from "./setup/docker.mjs";
import { ensureOciRuntimes, ensureRuntimes } from "./setup/gvisor.mjs";
import { ensureBuilt, ensureNodeModules } from "./setup/node-modules.mjs";
import { ensureOwnLinux, ensureRootlessTools } from "./setup/oci.mjs";
import { giveUp, SetupError, say, seconds, step } from "./setup/say.mjs";
import { chooseSuites, suites } from "./setup/suites.mjs";
import { dataFolderOf, root, setup, setupOci } from "./setup.mjs";

const onRequest = suites.filter((suite) => suite.onRequest !== undefined);

const help = `Runs the tests: npm test

Makes ready what is missing, as npm start does, then runs these suites in order (checks, unit and image tests two at a time), all of them even if one fails:
  ${chooseSuites([])
    .map((suite) => suite.name)
    .join(", ")}
Others run when they are named:
  ${onRequest.map((suite) => `${suite.name} (${suite.onRequest})`).join(", ")}

  npm test -- unit contract       only these suites; "checks" stands for the static checks
  npm test -- e2e -t fairness     options after the suites go to vitest or pytest

The last line counts everything: N passed, N failed, N skipped.`;

/** Debian packages that only tests use, by the command they bring. */
const testTools = { faketime: "faketime", promtool: "prometheus", "redis-server": "redis-server" };

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
  const context = { root, args, dataFolder, print, aside: false, env: { ...process.env, CI: "1" } };
  const results = [];
  let runnable = chosen;
  let made = null;
  try {
    made = await prepare(chosen, context);
  } catch (error) {
    // What can not be built or started fails here once; the suites that need nothing of it still have their say.
    giveUp(error);
    results.push({ title: "setup", passed: 0, failed: 1, skipped: 0, failures: [error.message], time: seconds(began) });
    runnable = chosen.filter((suite) => !suite.needsEngine);
  }

  const light = runnable.filter((suite) => suite.light);
  if (light.length > 1) {
    say(`\nside by side, each shown when it has ended: ${light.map((suite) => suite.title).join(", ")}`);
    results.push(...(await runSideBySide(light, context)));
    runnable = runnable.filter((suite) => !suite.light);
  }
  for (const suite of runnable) {
    sayHeader(suite);
    results.push(await runSuite(suite, context));
  }
  if (made?.startedBySetup) say(`\n${howToStop(dataFolderOf(process.env))}`);
  if (names.length === 0) for (const { name, onRequest: why } of onRequest) say(`\nNot run, as ${why}: npm test -- ${name}`);
  summarize(results);
  if (results.some((result) => result.failed > 0)) process.exitCode = 1;
}

async function runSuite(suite, context) {
  const started = performance.now();
  const counts = await suite.run(context).catch((error) => {
    context.print(`${error instanceof SetupError ? error.message : error.stack}\n`);
    return { passed: 0, failed: 1, skipped: 0, failures: [error.message] };
  });
  return { ...counts, title: suite.title, time: seconds(started) };
}

/** Two at a time, the longest first; what they print is shown in one piece. The results are in the suites' order. */
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

/** Makes ready what the chosen suites need and adds it to the context; returns the engine and image, if any needs them. */
async function prepare(chosen, context) {
  if (chosen.some((suite) => suite.needsOci)) {
    const { runtime, rootfs } = await setupOci({ dataFolder: dataFolderOf(process.env) });
    Object.assign(context.env, { OCI_RUNTIME: runtime, SANDBOX_ROOTFS: rootfs });
    const { runtimes } = await ensureOciRuntimes({ root, runtime, env: context.env });
    context.env.OCI_RUNTIMES = runtimes.join(",");
    await ensureRootlessTools();
  }
  if (chosen.some((suite) => suite.needsOwnLinux)) await ensureOwnLinux();
  if (!chosen.some((suite) => suite.needsEngine)) {
    await ensureNodeModules(root);
    await ensureBuilt(root);
    await ensureTestTools();
    return null;
  }
  const made = await setup({ dataFolder: dataFolderOf(process.env) });
  await ensureTestTools();
  if (chosen.some((suite) => suite.name === "e2e")) await ensureBrowser();
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

async function ensureTestTools() {
  const missing = Object.entries(testTools).filter(([command]) => !findCommand(command));
  if (missing.length === 0) return;
  await step("tools of the tests", async (progress) => {
    const packages = missing.map(([, name]) => name);
    if (!canInstall()) return { note: `missing: ${packages.join(", ")}; tests that need them fail or say that they are skipped` };
    await installPackages(packages, { progress, why: "Tests need tools." });
    return { note: packages.join(", ") };
  });
}

/** Only one page's tests need a browser, so they alone are skipped where there is none. */
async function ensureBrowser() {
  if (findCommand("chromium")) return;
  await step("browser of the tests", async (progress) => {
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

/** What failed is said again where a log that was cut still shows it. */
function summarize(results) {
  say();
  for (const { title, failures } of results) for (const failure of failures) console.log(`✗ ${title}: ${failure}`);
  const width = Math.max(...results.map((result) => result.title.length));
  for (const { title, time, passed, failed, skipped } of results) {
    console.log(`${failed === 0 ? "✓" : "✗"} ${title.padEnd(width)}  ${passed} passed, ${failed} failed, ${skipped} skipped (${time})`);
  }
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
}

await main().catch(giveUp);
