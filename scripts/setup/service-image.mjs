import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SCRIPT } from "../network/script.mjs";
import { BASE_IMAGE, ensureBaseImage, hasImage } from "./base-image.mjs";
import { askJson } from "./engine-api.mjs";
import { buildImage } from "./image.mjs";
import { filesUnder, sha256 } from "./node-modules.mjs";
import { step } from "./say.mjs";

export const SERVICE_REPOSITORY = "code-interpreter";
export const KEEPER_REPOSITORY = "code-interpreter-keeper";

/**
 * Ensures that the images of the service exist; returns their names: `service`, and `keeper`, which adds the sandbox's
 * root file system. Each is tagged with the hash of its inputs and with `latest`.
 */
export async function ensureServiceImages({ engine, root, sandboxImage }) {
  const inputs = serviceInputs(root);
  const service = `${SERVICE_REPOSITORY}:${tagOf([BASE_IMAGE, ...contentsOf(root, inputs)])}`;
  await ensure(engine, service, async (progress) => {
    await ensureBaseImage(engine);
    const folder = mkdtempSync(path.join(tmpdir(), "code-interpreter-service-"));
    try {
      for (const file of inputs) cpSync(path.join(root, file), path.join(folder, file));
      await buildImage({ engine, folder, files: ["."], name: service, args: { BASE: BASE_IMAGE }, progress });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  const recipe = path.join(root, "k8s/keeper");
  const keeper = `${KEEPER_REPOSITORY}:${tagOf([service, sandboxImage, ...contentsOf(recipe, ["Dockerfile"])])}`;
  await ensure(engine, keeper, (progress) =>
    buildImage({
      engine,
      folder: recipe,
      files: ["Dockerfile"],
      name: keeper,
      args: { SERVICE: service, SANDBOX: sandboxImage },
      progress,
    }),
  );
  return { service, keeper };
}

/** What the Dockerfile copies, relative to the root: the very list of .dockerignore. */
export function serviceInputs(root) {
  const lines = readFileSync(path.join(root, ".dockerignore"), "utf8").split("\n");
  const named = lines.filter((line) => line.startsWith("!") && line !== `!${SCRIPT}`).map((line) => line.slice(1));
  const leftOut = lines.filter((line) => /^[\w./-]+$/.test(line));
  return ["Dockerfile", ...named]
    .flatMap((name) => (statSync(path.join(root, name)).isDirectory() ? filesUnder(path.join(root, name)) : [path.join(root, name)]))
    .map((file) => path.relative(root, file))
    .filter((file) => !file.includes("__pycache__") && !leftOut.some((folder) => file.startsWith(`${folder}/`)));
}

async function ensure(engine, name, build) {
  await step(`image ${name}`, async (progress) => {
    if (await hasImage(engine, name)) return { note: "up to date" };
    await build(progress);
    return { note: "built" };
  });
  const [repository] = name.split(":");
  await askJson(engine, { method: "POST", path: `/images/${encodeURIComponent(name)}/tag?repo=${repository}&tag=latest` });
}

function contentsOf(folder, files) {
  return files.flatMap((file) => [file, readFileSync(path.join(folder, file))]);
}

function tagOf(parts) {
  return sha256(parts).slice(0, 16);
}
