import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { networkScript } from "./network/script.mjs";
import { readSettings } from "./network/settings.mjs";
import { ensureEngine, howToStop } from "./setup/docker.mjs";
import { ensureImage, pruneImages, variants } from "./setup/image.mjs";
import { ensureBuilt, ensureNodeModules } from "./setup/node-modules.mjs";
import { ensureOciRuntime } from "./setup/oci.mjs";
import { ensureRootfs } from "./setup/rootfs.mjs";
import { giveUp, SetupError, say } from "./setup/say.mjs";
import { ensureServiceImages } from "./setup/service-image.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

const help = `Prepares this machine to run the service. Needs only Node 20 or newer and git.

  node scripts/setup.mjs                    npm packages, build, Docker engine, sandbox image
  node scripts/setup.mjs image              only the engine and the image (npm run image)
  node scripts/setup.mjs rootfs             for ENGINE=oci: npm packages, build, OCI runtime, root file system
  node scripts/setup.mjs service-image      the images of the service, for compose and k8s/ (npm run service-image)
  node scripts/setup.mjs network            prints network.sh: how this machine reaches package registries, for docker build
      --variant default|full                full adds packages-full.txt and wheels-full.txt (default: default)
      --prune                               also removes images of earlier inputs that no container uses

Each step does only what is missing. To add a package to the sandbox, add its line to
sandbox-image/packages.txt and run: npm run image

Variables: DOCKER_HOST (the engine to use), SANDBOX_IMAGE (an image to use unchanged), DATA_DIR (default ./data).`;

/** The whole setup except Redis, which each process starts and stops for itself. */
export async function setup({ dataFolder, variant = "default" }) {
  ensureNode();
  await ensureNodeModules(root);
  await ensureBuilt(root);
  return setupImage({ dataFolder, variant });
}

/** The setup for ENGINE=oci: an OCI runtime and the image's root file system instead of Docker. */
export async function setupOci({ dataFolder, variant = "default", env = process.env }) {
  ensureNode();
  await ensureNodeModules(root);
  await ensureBuilt(root);
  const runtime = await ensureOciRuntime({ env });
  return { runtime, rootfs: await ensureRootfs({ dataFolder, root, variant, env }) };
}

export async function setupImage({ dataFolder, variant = "default" }) {
  const engine = await ensureEngine({ dataFolder });
  const image = await ensureImage({ engine: engine.engine, root, variant });
  return { ...engine, image: image.name };
}

/** The images of the service. Packages and build happen inside, so none are needed here. */
export async function setupServiceImages({ dataFolder, variant = "default" }) {
  const { engine, image } = await setupImage({ dataFolder, variant });
  return ensureServiceImages({ engine, root, sandboxImage: image });
}

export function dataFolderOf(env) {
  return path.resolve(root, env.DATA_DIR || "data");
}

function ensureNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new SetupError(`Node ${process.versions.node} is too old; Node 20 or newer is needed.`);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" }, variant: { type: "string", default: "default" }, prune: { type: "boolean" } },
  });
  if (values.help) return console.log(help);
  if (!variants.includes(values.variant)) throw new SetupError(`--variant: must be one of ${variants.join(", ")}`);
  const [what, ...rest] = positionals;
  if (rest.length > 0 || (what !== undefined && !["image", "rootfs", "service-image", "network"].includes(what)))
    throw new SetupError(`Unknown: ${positionals.join(" ")}\n\n${help}`);
  if (what === "network") return process.stdout.write(networkScript(readSettings()));
  const dataFolder = dataFolderOf(process.env);
  if (what === "rootfs") return console.log((await setupOci({ dataFolder, variant: values.variant })).rootfs);
  if (what === "service-image")
    return console.log(Object.values(await setupServiceImages({ dataFolder, variant: values.variant })).join("\n"));
  const made = await (what === "image" ? setupImage : setup)({ dataFolder, variant: values.variant });
  if (values.prune) {
    const removed = await pruneImages({ engine: made.engine, root });
    say(removed.length > 0 ? `Removed ${removed.join(", ")}` : "No earlier image to remove");
  }
  if (made.startedBySetup) say(howToStop(dataFolder));
  // The name alone on stdout, for scripts: SANDBOX_IMAGE=$(npm run -s image).
  console.log(made.image);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main().catch(giveUp);
