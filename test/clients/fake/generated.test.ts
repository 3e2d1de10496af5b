import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import openapiTS, { astToString } from "openapi-typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";
import { openApi } from "../../support/checks/openapi.ts";
import { generatePythonClient, runPython } from "../../support/clients/python.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = promisify(execFile);

let rig: Rig;
let folder: string;
let png: { id: string };
beforeAll(async () => {
  rig = await startRig();
  folder = await mkdtemp(join(tmpdir(), "ci-generated-"));
  await writeFile(join(folder, "openapi.json"), JSON.stringify(openApi));
  const form = new FormData();
  form.set("file", new Blob(["a,b\n1,2\n"]), "data.csv");
  const upload = await fetch(`${rig.api.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${rig.key}` }, body: form });
  png = (await upload.json()) as { id: string };
  rig.onCode = () => ({
    outputs: [
      { type: "text", stream: "stdout", text: "printed\n" },
      {
        type: "file",
        file_id: png.id,
        url: `/v1/files/${png.id}/content`,
        name: "out.csv",
        mime_type: "text/csv",
        bytes: 8,
        sha256: "0".repeat(64),
        change: "created",
      },
    ],
  });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rig.stop();
});

test("openapi-typescript's types compile, and take one execution with files from request to result", async () => {
  await writeFile(join(folder, "api.d.ts"), astToString(await openapiTS(JSON.stringify(openApi))));
  const program = `
import type { components, paths } from "./api";
type Request = components["schemas"]["ExecutionRequest"];
const smallest: Request = { code: "print(1)" };
const request: Request = { ...smallest, files: [{ name: "in.csv", text: "a" }] };
const url = process.argv[2] + "/v1/executions";
const headers = { authorization: "Bearer " + process.argv[3], "content-type": "application/json" };
const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
const execution: paths["/v1/executions"]["post"]["responses"]["200"]["content"]["application/json"] = await answer.json();
const seen = execution.outputs.map((output) => {
  switch (output.type) {
    case "text": return output.text;
    case "file": return output.name;
    case "error": return output.traceback.join();
    default: return output.type;
  }
});
console.log(JSON.stringify([execution.status, ...seen]));
`;
  await writeFile(join(folder, "program.mts"), program);
  const options = ["--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck", "false"];
  const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
  await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, ...types, join(folder, "program.mts")], {
    cwd: folder,
  });
  const { stdout } = await run(process.execPath, [join(folder, "program.mjs"), rig.api.url, rig.key]);
  expect(JSON.parse(stdout)).toEqual(["completed", "printed\n", "out.csv"]);
});

test("openapi-python-client's client runs one execution with files", async () => {
  const warnings = await generatePythonClient(join(folder, "openapi.json"), join(folder, "generated"));
  expect(warnings).not.toMatch(/ERROR|Error/);
  const seen = await runPython("generated.py", { url: rig.api.url, key: rig.key }, { folder });
  expect(seen).toEqual({ status: "completed", outputs: ["OutputText", "OutputFile"], text: "printed\n", bytes: "a,b\n1,2\n" });
});
