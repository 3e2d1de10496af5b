import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { networkScript, SCRIPT } from "./network/script.mjs";
import { readSettings } from "./network/settings.mjs";
import { runContainer } from "./setup/container.mjs";
import { giveUp, SetupError, step } from "./setup/say.mjs";
import { dataFolderOf, root, setupImage } from "./setup.mjs";

const HEADS = {
  "wheels.txt": `# What every variant has beside packages.txt, as Debian lacks it: wheels of PyPI for x86_64 and aarch64, locked by hash.
# Made by \`npm run lock-wheels\` from the names in wheels.in; their dependencies come with them.
`,
  "wheels-full.txt": `# What the variant \`full\` has beside wheels.txt. Made by \`npm run lock-wheels\` from the names in wheels-full.in.
`,
};

/** pip takes the place of its stand-in, and what an earlier lock brought is out of its sight. */
const COMMANDS = `
. /lock/${SCRIPT}
mkdir -p /var/log/apt && rm -rf /usr/local/lib/python3.13/dist-packages/*
apt-get -q update && apt-get -q install -y --no-install-recommends python3-pip ca-certificates
cd /lock && python3 lock-wheels.py wheels.txt wheels.in
sed 's/#.*//' packages-full.txt | xargs apt-get -q install -y --no-install-recommends
python3 lock-wheels.py wheels-full.txt wheels.in wheels-full.in`;

/**
 * `npm run lock-wheels`: writes sandbox-image/wheels.txt and wheels-full.txt from the names in wheels.in and wheels-full.in.
 * pip resolves in the sandbox image, so that nothing is locked that Debian brings already.
 */
async function main() {
  const { engine, image } = await setupImage({ dataFolder: dataFolderOf(process.env) });
  const recipe = path.join(root, "sandbox-image");
  const folder = mkdtempSync(path.join(tmpdir(), "code-interpreter-lock-"));
  try {
    for (const name of ["wheels.in", "wheels-full.in", "packages-full.txt"]) cpSync(path.join(recipe, name), path.join(folder, name));
    cpSync(path.join(root, "scripts/supply/lock-wheels.py"), path.join(folder, "lock-wheels.py"));
    writeFileSync(path.join(folder, SCRIPT), networkScript(readSettings()));
    await step("wheels", async (progress) => {
      let shown = "";
      const onText = (text) => {
        shown = (shown + text).slice(-3_000);
        progress(text.trim().split("\n").pop() ?? "");
      };
      const hostConfig = { NetworkMode: "host", Binds: [`${folder}:/lock`] };
      const code = await runContainer({
        engine,
        image,
        user: "0:0",
        entrypoint: ["/bin/sh"],
        command: ["-ec", COMMANDS],
        hostConfig,
        onText,
      });
      if (code !== 0) throw new SetupError(`The wheels cannot be locked:\n${shown}`);
      return { note: "locked; run npm run image" };
    });
    for (const [name, head] of Object.entries(HEADS))
      writeFileSync(path.join(recipe, name), head + readFileSync(path.join(folder, name), "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main().catch(giveUp);
