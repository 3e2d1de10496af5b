import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call } from "../../support/checks/call.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, streamOf, TOOL } from "./rig.ts";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const include = ["code_interpreter_call.outputs"];

let rig: Rig;
let small: Body;
let large: Body;
beforeAll(async () => {
  rig = await startRig({ limits: { responseImageBytesMax: 1_000, responseImagesBytesMax: 100 } });
  small = await upload("small.png", PNG);
  large = await upload("large.png", Buffer.concat([PNG, Buffer.alloc(2_000)]));
  rig.onCode = () => ({ outputs: [image(small), image(large)] });
});
afterAll(() => rig.stop());

async function upload(name: string, bytes: Uint8Array): Promise<Body> {
  const form = new FormData();
  form.set("file", new Blob([new Uint8Array(bytes)]), name);
  return (await call(rig.api.url, "POST /v1/files", { key: rig.key, body: form })).body;
}

const image = (file: Body) =>
  ({
    type: "image",
    mime_type: "image/png",
    file_id: file.id,
    url: `/v1/files/${file.id}/content`,
    bytes: file.bytes,
    width: 1,
    height: 1,
    role: "display",
  }) as const;
const runs = () => script({ code: "plot()" }, { text: "Here." });
const urls = (item: Body) => item.outputs.map((output: Body) => output.url);

describe("images in OpenAI's dialect", () => {
  test("are data URLs if they are small, and absolute URLs if they are large", async () => {
    const { body } = await respond(rig, { tools: [TOOL], input: runs(), include });
    const [data, absolute] = urls(body.output[0]);
    expect(data).toBe(`data:image/png;base64,${PNG.toString("base64")}`);
    expect(absolute).toBe(`${rig.api.url}/v1/files/${large.id}/content`);
    const fetched = await fetch(absolute, { headers: { authorization: `Bearer ${rig.key}` } });
    expect((await fetched.arrayBuffer()).byteLength).toBe(large.bytes);
    const kept = await call(rig.api.url, `GET /v1/responses/${body.id}`, { key: rig.key, as: "/v1/responses/{id}" });
    expect(urls(kept.body.output[0])).toEqual([data, absolute]);
  });

  test("are the same in every event of the stream", async () => {
    const events = await streamOf(rig, { tools: [TOOL], input: runs(), include });
    const done = events.find((event) => event.type === "response.output_item.done").item;
    expect(urls(done)[0]).toMatch(/^data:image\/png;base64,/);
    expect(urls(events.at(-1).response.output[0])).toEqual(urls(done));
  });

  test("beyond the bound of an answer are URLs, with the address that a proxy was asked for", async () => {
    const other = await upload("other.png", PNG);
    rig.onCode = () => ({ outputs: [image(small), image(other)] });
    const answer = await fetch(`${rig.api.url}/v1/responses`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${rig.key}`,
        "content-type": "application/json",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "code.example.com",
      },
      body: JSON.stringify({ tools: [TOOL], input: runs(), include }),
    });
    const [first, second] = urls(((await answer.json()) as Body).output[0]);
    expect(first).toMatch(/^data:/);
    expect(second).toBe(`https://code.example.com/v1/files/${other.id}/content`);
  });
});

test("images in our dialect keep their paths", async () => {
  rig.onCode = () => ({ outputs: [image(small)] });
  const { body } = await respond(rig, { tools: [TOOL], inputs: runs() });
  expect(urls(body.output[0])).toEqual([`/v1/files/${small.id}/content`]);
});
