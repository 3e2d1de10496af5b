import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";
import { runPython } from "../../support/clients/python.ts";
import { script } from "../../support/servers/model-server.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

test("pydantic-ai gets the bytes of an image that code made", async () => {
  const form = new FormData();
  form.set("file", new Blob([new Uint8Array(1_234)]), "plot.png");
  const upload = await fetch(`${rig.api.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${rig.key}` }, body: form });
  const { id } = (await upload.json()) as { id: string };
  const url = `/v1/files/${id}/content`;
  rig.onCode = () => ({
    outputs: [{ type: "image", mime_type: "image/png", file_id: id, url, bytes: 1_234, width: 1, height: 1, role: "display" }],
  });
  const input = script({ code: "plot()" }, { text: "Here." });
  expect(await runPython("image.py", { url: rig.api.url, key: rig.key }, { input })).toEqual([["image/png", 1_234]]);
});
