import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ServiceError } from "../../../src/domain/errors.ts";
import { newId } from "../../../src/domain/ids.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, TOOL, text } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ seesImages: true });
});
afterAll(() => rig.stop());
beforeEach(async () => {
  rig.ran.length = 0;
  rig.sessions.created.length = 0;
  rig.onCode = () => ({ outputs: [text("42")] });
  await rig.model.asked();
});

const runs = () => script({ code: "x = 1" }, { text: "done" });
const upload = async (name: string, bytes: Uint8Array | string = "a,b\n1,2\n", organization = "org_a") =>
  rig.api.files.save(organization, { name, purpose: "user_data", executionId: null, bytesMax: 1e6 }, [Buffer.from(bytes)] as never);
const toolTexts = (messages: Body[]) => messages.filter((message) => message.role === "tool").map((message) => message.content);

describe("container auto", () => {
  test("creates no session when no code runs", async () => {
    await respond(rig, { tools: [TOOL], inputs: script({ text: "Paris." }) });
    expect(rig.sessions.created).toEqual([]);
  });

  test("continues the session and the conversation of the previous response", async () => {
    const first = await respond(rig, { tools: [TOOL], inputs: runs() });
    const second = await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: first.body.id });
    expect(second.body.container_id).toBe(first.body.container_id);
    expect(rig.sessions.created.length).toBe(1);
    const messages = (await rig.model.asked()).at(-1)?.body.messages;
    expect(messages.map((message: { role: string }) => message.role)).toEqual([
      "system",
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
      "assistant",
      "tool",
    ]);
    expect(toolTexts(messages)).toEqual(["42", "42"]);
  });

  test.each(["expired", "lost"] as const)(
    "replaces a session that is %s with a new one that has its files, with a note for the model",
    async (status) => {
      const first = await respond(rig, { tools: [TOOL], inputs: runs() });
      rig.sessions.end(first.body.container_id, status);
      const second = await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: first.body.id });
      expect(second.body.status).toBe("completed");
      expect(second.body.container_id).not.toBe(first.body.container_id);
      expect(rig.sessions.created[1]).toMatchObject({ restoreFrom: first.body.container_id });
      expect(toolTexts((await rig.model.asked()).at(-1)?.body.messages)[1]).toMatch(
        /^\[The earlier sandbox is gone: its variables and imports.*its files were put/,
      );
    },
  );

  test("replaces an unknown session with an empty one, with a note for the model", async () => {
    const first = await respond(rig, { tools: [TOOL], inputs: runs() });
    rig.sessions.kept.delete(first.body.container_id);
    await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: first.body.id });
    expect(toolTexts((await rig.model.asked()).at(-1)?.body.messages)[1]).toMatch(/variables, imports and files no longer exist/);
  });

  test("replaces a session that is lost between two blocks of one response", async () => {
    rig.onCode = (code) => {
      if (code === "kill()") for (const id of rig.sessions.kept.keys()) rig.sessions.end(id, "lost");
      return { end: code === "kill()" ? { status: "incomplete", cause: "timeout", evidence: { session_alive: false } } : {} };
    };
    const answer = await respond(rig, { tools: [TOOL], inputs: script({ code: "kill()" }, { code: "x" }, { text: "ok" }) });
    const [first, second] = answer.body.output;
    expect([first.status, second.status]).toEqual(["incomplete", "completed"]);
    expect(second.container_id).not.toBe(first.container_id);
    expect(answer.body.container_id).toBe(second.container_id);
    const texts = toolTexts((await rig.model.asked()).at(-1)?.body.messages);
    expect(texts[0]).toContain("Variables and imports are gone.");
    expect(texts[1]).toContain("The earlier sandbox is gone");
  });

  test("replaces a session that expires while a file is placed in it", async () => {
    const first = await respond(rig, { tools: [TOOL], inputs: runs() });
    const file = await upload("late.csv");
    rig.sessions.beforeList = (id) => rig.sessions.end(id, "expired");
    const inputs = [
      {
        role: "user",
        content: [
          { type: "text", text: runs() },
          { type: "file", file_id: file.id },
        ],
      },
    ];
    const second = await respond(rig, { tools: [TOOL], inputs, previous_response_id: first.body.id });
    rig.sessions.beforeList = () => {};
    expect(second.body.status).toBe("completed");
    expect(rig.sessions.created.at(-1)).toMatchObject({ restoreFrom: first.body.container_id, fileIds: [file.id] });
  });

  test("is released once the response has ended, unless the caller named it", async () => {
    const { body } = await respond(rig, { tools: [TOOL], inputs: runs() });
    expect(rig.sessions.created.at(-1)).toMatchObject({ givesWay: true });
    expect(rig.sessions.released).toContain(body.container_id);
    const named = await rig.sessions.create("org_a", {});
    await respond(rig, { tools: [{ ...TOOL, container: named.id }], inputs: runs() });
    expect(rig.sessions.released).not.toContain(named.id);
  });

  test("that is unavailable fails the response with the reason", async () => {
    rig.sessions.failNext = new ServiceError("container_unavailable", { detail: "No worker had room." });
    const answer = await respond(rig, { tools: [TOOL], inputs: runs() });
    expect(answer.body).toMatchObject({ status: "failed", error: { code: "container_unavailable", message: "No worker had room." } });
  });

  test.each([
    ["4g", "1g", 1024],
    ["64g", "1g", 1024],
    ["1g", "1g", 1024],
    ["300m", "300m", 300],
  ])("with memory_limit %s gets %s, and the answer says so", async (wanted, given, megabytes) => {
    const tools = [{ ...TOOL, container: { type: "auto", memory_limit: wanted } }];
    for (const field of ["input", "inputs"]) {
      const { status, body } = await respond(rig, { tools, [field]: runs() });
      expect([status, rig.sessions.created.at(-1)?.memoryMb, body.tools[0].container.memory_limit]).toEqual([200, megabytes, given]);
    }
  });
});

describe("a container that is named", () => {
  test("is used", async () => {
    const { id } = await rig.sessions.create("org_a", {});
    const answer = await respond(rig, { tools: [{ ...TOOL, container: id }], input: runs() });
    expect(answer.body.output[0].container_id).toBe(id);
  });

  test.each([
    ["unknown", 404, "container_not_found"],
    ["foreign", 404, "container_not_found"],
    ["expired", 410, "container_expired"],
    ["lost", 410, "container_lost"],
  ])("and is %s returns %i %s before the model is called", async (kind, status, code) => {
    const { id } = await rig.sessions.create(kind === "foreign" ? "org_b" : "org_a", {});
    if (kind === "expired" || kind === "lost") rig.sessions.end(id, kind);
    const answer = await respond(rig, { tools: [{ ...TOOL, container: kind === "unknown" ? newId("container") : id }], input: runs() });
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(await rig.model.asked()).toEqual([]);
  });

  test("and lost meanwhile fails the response instead of being replaced", async () => {
    const { id } = await rig.sessions.create("org_a", {});
    rig.onCode = () => {
      rig.sessions.end(id, "lost");
      return {};
    };
    const answer = await respond(rig, { tools: [{ ...TOOL, container: id }], inputs: script({ code: "1" }, { code: "2" }, { text: "x" }) });
    expect(answer.body).toMatchObject({ status: "failed", error: { code: "container_not_found" } });
    expect(rig.sessions.created.length).toBe(1);
  });
});

describe("files", () => {
  test("of input, tool and container are in the folder, and the model sees the names of those in the input", async () => {
    const [a, b, c] = [await upload("a.csv"), await upload("b.csv"), await upload("c.csv")];
    const inputs = [
      {
        role: "user",
        content: [
          { type: "text", text: runs() },
          { type: "file", file_id: a.id },
        ],
      },
    ];
    const tools = [{ ...TOOL, file_ids: [b.id], container: { type: "auto", file_ids: [c.id] } }];
    await respond(rig, { tools, inputs });
    expect(new Set(rig.sessions.created[0]?.fileIds)).toEqual(new Set([a.id, b.id, c.id]));
    expect((await rig.model.asked())[0]?.body.messages[1].content).toContain('[Files in /mnt/data: "a.csv"]');
  });

  test("of a later request are added to the continued session", async () => {
    const first = await respond(rig, { tools: [TOOL], inputs: runs() });
    const late = await upload("late.csv");
    const input = [
      {
        role: "user",
        content: [
          { type: "input_text", text: runs() },
          { type: "input_file", file_id: late.id },
        ],
      },
    ];
    await respond(rig, { tools: [TOOL], input, previous_response_id: first.body.id });
    expect(rig.sessions.kept.get(first.body.container_id)?.fileIds).toEqual([late.id]);
  });

  test("are placed once, so that changes by code are kept", async () => {
    const file = await upload("once.csv");
    const inputs = (turns: string) => [
      {
        role: "user",
        content: [
          { type: "text", text: turns },
          { type: "file", file_id: file.id },
        ],
      },
    ];
    const first = await respond(rig, { tools: [TOOL], inputs: inputs(runs()) });
    const kept = rig.sessions.kept.get(first.body.container_id);
    kept?.fileIds.splice(0, 1, newId("file"));
    const second = await respond(rig, { tools: [TOOL], inputs: inputs(runs()), previous_response_id: first.body.id });
    expect(kept?.fileIds).not.toContain(file.id);
    rig.sessions.end(first.body.container_id, "expired");
    await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: second.body.id });
    expect(rig.sessions.created.at(-1)).toMatchObject({ restoreFrom: first.body.container_id, fileIds: [] });
  });

  test("of a message without code are placed when code runs later", async () => {
    const first = await respond(rig, { tools: [TOOL], inputs: runs() });
    const file = await upload("later.csv");
    const inputs = [
      {
        role: "user",
        content: [
          { type: "text", text: script({ text: "noted" }) },
          { type: "file", file_id: file.id },
        ],
      },
    ];
    const second = await respond(rig, { tools: [TOOL], inputs, previous_response_id: first.body.id });
    expect(rig.sessions.kept.get(first.body.container_id)?.fileIds).toEqual([]);
    await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: second.body.id });
    expect(rig.sessions.kept.get(first.body.container_id)?.fileIds).toEqual([file.id]);
  });

  test("of an earlier message may be deleted without ending the conversation", async () => {
    const file = await upload("gone.csv");
    const inputs = [
      {
        role: "user",
        content: [
          { type: "text", text: script({ text: "noted" }) },
          { type: "file", file_id: file.id },
        ],
      },
    ];
    const first = await respond(rig, { tools: [TOOL], inputs });
    await rig.api.files.delete("org_a", file.id);
    const second = await respond(rig, { tools: [TOOL], inputs: runs(), previous_response_id: first.body.id });
    expect(second.body.status).toBe("completed");
    expect(rig.sessions.created.at(-1)?.fileIds).toEqual([]);
  });

  test("sent inline are stored", async () => {
    const part = {
      type: "input_file",
      filename: "inline.txt",
      file_data: `data:text/plain;base64,${Buffer.from("hello").toString("base64")}`,
    };
    await respond(rig, { tools: [TOOL], input: [{ role: "user", content: [{ type: "input_text", text: runs() }, part] }] });
    const [id] = rig.sessions.created[0]?.fileIds ?? [];
    expect(await rig.api.files.get("org_a", id ?? "")).toMatchObject({ name: "inline.txt", bytes: 5 });
  });

  test.each(["unknown", "foreign"])("that are %s are refused, with the field", async (kind) => {
    const id = kind === "unknown" ? newId("file") : (await upload("x.csv", "x", "org_b")).id;
    const inMessage = await respond(rig, { tools: [TOOL], inputs: [{ role: "user", content: [{ type: "file", file_id: id }] }] });
    expect([inMessage.status, inMessage.body.error.param]).toEqual([422, "inputs.0.content.0.file_id"]);
    const inTool = await respond(rig, { tools: [{ ...TOOL, file_ids: [id] }], inputs: "x" });
    expect([inTool.status, inTool.body.error.param]).toEqual([422, "file_ids"]);
  });

  test("that are images are sent to a model that accepts images, like images that code makes", async () => {
    const png = await upload("photo.png", new Uint8Array([137, 80, 78, 71]));
    rig.onCode = () => ({
      outputs: [{ type: "image", mime_type: "image/png", file_id: png.id, url: "/u", bytes: 4, width: 2, height: 3, role: "display" }],
    });
    const url = `data:image/png;base64,${Buffer.from([137, 80, 78, 71]).toString("base64")}`;
    const content = [
      { type: "input_text", text: runs() },
      { type: "input_image", file_id: png.id },
    ];
    const answer = await respond(rig, { tools: [TOOL], input: [{ role: "user", content }], include: ["code_interpreter_call.outputs"] });
    expect(answer.body.output[0].outputs).toEqual([{ type: "image", url: "/u" }]);
    const messages = (await rig.model.asked()).at(-1)?.body.messages;
    expect(messages[1].content[2]).toEqual({ type: "image_url", image_url: { url } });
    expect(messages.at(-1)).toMatchObject({ role: "user", content: [{ type: "text" }, { type: "image_url", image_url: { url } }] });
    expect(toolTexts(messages)).toEqual(["[image image/png, 2×3, shown to the user: /u]"]);
  });
});
