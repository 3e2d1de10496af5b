import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { runContainer } from "./container.mjs";
import { canInstall, findCommand, installPackages } from "./debian.mjs";
import { askJson } from "./engine-api.mjs";
import { SetupError, step } from "./say.mjs";

const CONFIG = "/etc/docker/daemon.json";
/** In order of speed. Older releases support only ptrace. */
const platforms = ["systrap", "ptrace"];

/**
 * Returns the runtimes to test sandboxes with: runc, and runsc if it is available. Setup does not configure an engine
 * that it did not start, so there runsc must be registered already.
 */
export function ensureRuntimes({ engine, host, startedBySetup, image }) {
  const only = (why) => ({ runtimes: ["runc"], note: `runc only; ${why}` });
  return step("container runtimes", async (progress) => {
    const registered = (await askJson(engine, { path: "/info" })).Runtimes ?? {};
    if (registered.runsc) {
      const trouble = await tryRunsc(engine, image);
      return trouble === null ? { runtimes: ["runc", "runsc"], note: "runc, runsc" } : only(`runsc does not run here: ${trouble}`);
    }
    if (!startedBySetup) return only(`runsc is not registered with the engine at ${host}, and setup changes only an engine it started`);
    let trouble = await lackOfRunsc(progress);
    if (trouble !== null) return only(trouble);
    for (const platform of platforms) {
      progress(`registering runsc with platform ${platform}`);
      await register(engine, platform);
      trouble = await tryRunsc(engine, image);
      if (trouble === null) return { runtimes: ["runc", "runsc"], note: `runc, runsc (${platform})` };
    }
    return only(`runsc does not run here: ${trouble}`);
  });
}

/** Returns the OCI runtimes to test the OCI engine with: the given one, and runsc if a keeper starts with it. */
export function ensureOciRuntimes({ root, runtime, env }) {
  return step("OCI runtimes under test", async (progress) => {
    const only = (why) => ({ runtimes: [runtime], note: `${runtime} only; ${why}` });
    if (runtime === "runsc") return { runtimes: [runtime], note: runtime };
    const lack = await lackOfRunsc(progress);
    if (lack !== null) return only(lack);
    progress("starting a keeper with runsc");
    const trouble = await tryKeeper(root, { ...env, ENGINE: "oci", OCI_RUNTIME: "runsc" });
    return trouble === null ? { runtimes: [runtime, "runsc"], note: `${runtime}, runsc` } : only(trouble);
  });
}

/** Installs runsc if it is missing; resolves with null, or with the reason why it is not available. */
async function lackOfRunsc(progress) {
  if (findCommand("runsc")) return null;
  if (!canInstall()) return "runsc is not installed";
  try {
    await installPackages(["runsc"], { progress, why: "runsc is not installed." });
    return null;
  } catch {
    return "Debian has no runsc for this machine";
  }
}

/** Resolves with null if a keeper starts, otherwise with the reason on one line. */
async function tryKeeper(root, env) {
  const state = mkdtempSync(path.join(os.tmpdir(), "code-interpreter-try-"));
  const child = spawn(process.execPath, [path.join(root, "dist/main/keeper.js")], {
    env: { ...env, OCI_STATE_DIR: state },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let trouble = "the keeper logged nothing";
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      const { msg, err } = JSON.parse(line);
      if (msg === "the keeper makes sandboxes") {
        trouble = null;
        child.kill("SIGTERM");
      } else if (err) trouble = err.message;
    }
    return trouble;
  } finally {
    rmSync(state, { recursive: true });
  }
}

/** Adds runsc to the engine's configuration file and makes the engine reload it. */
async function register(engine, platform) {
  const config = existsSync(CONFIG) ? JSON.parse(readFileSync(CONFIG, "utf8")) : {};
  const runsc = { path: findCommand("runsc"), runtimeArgs: ["--network=none", `--platform=${platform}`] };
  mkdirSync(path.dirname(CONFIG), { recursive: true });
  writeFileSync(CONFIG, `${JSON.stringify({ ...config, runtimes: { ...config.runtimes, runsc } }, null, 2)}\n`);
  process.kill(Number(readFileSync("/var/run/docker.pid", "utf8")), "SIGHUP");
  for (let waits = 0; waits < 50; waits++) {
    const known = (await askJson(engine, { path: "/info" })).Runtimes?.runsc;
    if (known?.runtimeArgs?.includes(`--platform=${platform}`)) return;
    await pause(100);
  }
  throw new SetupError(`The engine did not load the runsc runtime from ${CONFIG}.`);
}

/** Resolves with null if a container runs under runsc, otherwise with the reason on one line. */
async function tryRunsc(engine, image) {
  let printed = "";
  try {
    const code = await runContainer({
      engine,
      image,
      command: ["/usr/bin/true"],
      entrypoint: [],
      hostConfig: { Runtime: "runsc" },
      onText: (text) => {
        printed += text;
      },
      idleMs: 60_000,
    });
    return code === 0 ? null : `exit code ${code} ${printed.trim().split("\n")[0]}`;
  } catch (error) {
    return error.message.split("\n")[0].slice(0, 200);
  }
}
