import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { networkScript, SCRIPT, usesLoopback } from "../network/script.mjs";
import { readSettings } from "../network/settings.mjs";
import { BASE_IMAGE, ensureBaseImage, hasImage, imagesOf } from "./base-image.mjs";
import { ask, askJson, describeMessage, follow } from "./engine-api.mjs";
import { filesUnder, sha256 } from "./node-modules.mjs";
import { SetupError, step } from "./say.mjs";

export const REPOSITORY = "code-interpreter-sandbox";
export const variants = ["default", "full"];
const BUILD_IDLE_MS = 15 * 60_000;
const LOG_LINES = 40;

/** Ensures that the sandbox image for these inputs exists; returns its name. */
export async function ensureImage({ engine, root, variant = "default", env = process.env }) {
  if (env.SANDBOX_IMAGE) return { name: await named(engine, env.SANDBOX_IMAGE), note: "" };
  const folder = path.join(root, "sandbox-image");
  const files = imageInputs(folder);
  const tag = imageTag(folder, files, variant);
  const name = `${REPOSITORY}:${tag}`;
  if (!(await hasImage(engine, name))) {
    await ensureBaseImage(engine);
    await step(`sandbox image ${name}`, async (progress) => {
      await buildImage({ engine, folder, files, name, args: { VARIANT: variant }, progress });
      return { note: "built" };
    });
  } else await step(`sandbox image ${name}`, async () => ({ note: "up to date" }));
  const alias = variant === "default" ? "latest" : variant;
  await askJson(engine, { method: "POST", path: `/images/${encodeURIComponent(name)}/tag?repo=${REPOSITORY}&tag=${alias}` });
  return { name };
}

/** An image chosen by the operator is used unchanged. */
function named(engine, name) {
  return step(`sandbox image ${name}`, async () => {
    if (!(await hasImage(engine, name))) throw new SetupError(`The Docker engine has no image ${name} (SANDBOX_IMAGE).`);
    return { note: "chosen with SANDBOX_IMAGE" };
  }).then(() => name);
}

/** The image's input files, relative and sorted: its folder without tests, documents and files for the worker. */
export function imageInputs(folder) {
  return filesUnder(folder)
    .map((file) => path.relative(folder, file).split(path.sep).join("/"))
    .filter((file) => !/(^|\/)(tests?|__pycache__|\.[^/]*)\//.test(file))
    .filter((file) => file !== SCRIPT && !file.endsWith(".in"))
    .filter((file) => !/(^|\/)(seccomp[^/]*\.json|pyproject\.toml|[^/]*\.md|[^/]*\.pyc|\.[^/]*)$/.test(file))
    .sort();
}

export function imageTag(folder, files, variant) {
  const contents = files.flatMap((file) => [file, readFileSync(path.join(folder, file))]);
  return sha256([...contents, variant, BASE_IMAGE]).slice(0, 16);
}

/** Removes images of earlier inputs that no container uses; returns their names. */
export async function pruneImages({ engine, root }) {
  const folder = path.join(root, "sandbox-image");
  const files = imageInputs(folder);
  const kept = new Set(
    [...variants.map((variant) => imageTag(folder, files, variant)), "latest", "full"].map((tag) => `${REPOSITORY}:${tag}`),
  );
  const names = (await imagesOf(engine, REPOSITORY)).flatMap((image) => image.RepoTags ?? []).filter((name) => !kept.has(name));
  const removed = [];
  for (const name of names) {
    const response = await ask(engine, { method: "DELETE", path: `/images/${encodeURIComponent(name)}`, idleMs: 120_000 });
    response.resume();
    if (response.statusCode === 200) removed.push(name);
  }
  return removed;
}

/**
 * Builds through the API, on the engine's bridge network; on the host's network if there is no bridge or it has no route.
 * The build gets this machine's way to package registries as one more file.
 */
export async function buildImage({ engine, folder, files, name, args, progress }) {
  const settings = readSettings();
  const networks = await askJson(engine, { path: "/networks" });
  const bridged = networks.some((network) => network.Driver === "bridge") && !usesLoopback(settings);
  const modes = bridged ? ["default", "host"] : ["host"];
  const extra = mkdtempSync(path.join(tmpdir(), "code-interpreter-network-"));
  try {
    writeFileSync(path.join(extra, SCRIPT), networkScript(settings), { mode: 0o600 });
    for (const [index, networkMode] of modes.entries()) {
      const log = [];
      try {
        await buildOnce({ engine, folder, files, extra, name, args, networkMode, log, progress });
        return;
      } catch (error) {
        const words = [...log.slice(-LOG_LINES), error.message].join("\n");
        if (index === modes.length - 1 || !isNetworkTrouble(words)) throw new SetupError(`The image ${name} cannot be built:\n${words}`);
        progress("no network on the engine's bridge; trying the host's");
      }
    }
  } finally {
    rmSync(extra, { recursive: true, force: true });
  }
}

async function buildOnce({ engine, folder, files, extra, name, args, networkMode, log, progress }) {
  const query = new URLSearchParams({ t: name, rm: "1", forcerm: "1", networkmode: networkMode, buildargs: JSON.stringify(args) });
  const tar = spawn("tar", ["-c", "-f", "-", "-C", folder, ...files, "-C", extra, SCRIPT], { stdio: ["ignore", "pipe", "inherit"] });
  const response = await ask(engine, {
    method: "POST",
    path: `/build?${query}`,
    headers: { "content-type": "application/x-tar" },
    body: tar.stdout,
    idleMs: BUILD_IDLE_MS,
  });
  await follow(response, (message) => {
    const text = describeMessage(message);
    if (text === null) return;
    log.push(text);
    progress(text);
  });
}

export function isNetworkTrouble(text) {
  return /temporary failure resolving|could not (resolve|connect)|network is unreachable|no route to host|connection timed out|failed to fetch|network bridge|docker0/i.test(
    text,
  );
}
