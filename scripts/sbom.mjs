import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runContainer } from "./setup/container.mjs";
import { askJson } from "./setup/engine-api.mjs";
import { giveUp, say } from "./setup/say.mjs";
import { dataFolderOf, root, setupImage } from "./setup.mjs";
import { imageSbom, serviceSbom } from "./supply/sbom.mjs";

/** `npm run sbom`: CycloneDX documents of the service and of the sandbox image, written to sbom/ in the data folder. */
async function main() {
  const folder = path.join(dataFolderOf(process.env), "sbom");
  mkdirSync(folder, { recursive: true });
  const keep = (name, text) => {
    writeFileSync(path.join(folder, name), text);
    say(`${path.join(folder, name)}: ${JSON.parse(text).components.length} components`);
  };
  keep("service.cdx.json", `${JSON.stringify(serviceSbom(root), null, 2)}\n`);
  if (process.argv.includes("--service-only")) return;
  const { engine, image } = await setupImage({ dataFolder: dataFolderOf(process.env) });
  let status = "";
  const command = ["-c", "cat /var/lib/dpkg/status"];
  await runContainer({ engine, image, entrypoint: ["/bin/sh"], command, onText: (text) => (status += text) });
  const { Id: digest } = await askJson(engine, { path: `/images/${encodeURIComponent(image)}/json` });
  keep(
    "sandbox-image.cdx.json",
    `${JSON.stringify(imageSbom({ name: image, digest, status: status.replaceAll("\r\n", "\n") }), null, 2)}\n`,
  );
}

await main().catch(giveUp);
