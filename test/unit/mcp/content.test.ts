import { expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { Output } from "../../../src/domain/outputs.ts";
import type { Execution } from "../../../src/domain/result.ts";
import { contentOf } from "../../../src/mcp/content.ts";
import type { Interpreter } from "../../../src/mcp/interpreter.ts";

const limits = makeLimits({ toolTextCharsMax: 1_000, toolImagesMax: 2, toolImageBytesMax: 100, mcpEventImagesBytesMax: 100 });

const execution = (outputs: Output[], more: Partial<Execution> = {}): Execution => ({
  type: "code_interpreter_call",
  id: "ci_x",
  status: "completed",
  cause: null,
  evidence: {},
  code: "",
  container_id: null,
  outputs,
  usage: null,
  truncated: { stdout: false, stderr: false, outputs: false, files: false },
  skipped_files: [],
  outcome: "ran",
  retry_safe: false,
  attempt: 1,
  created_at: 0,
  started_at: 0,
  completed_at: 0,
  expires_at: 0,
  metadata: {},
  ...more,
});

const stored: Pick<Interpreter, "getFile" | "readFile"> = {
  getFile: async (id) => (id === "file_gone" ? null : { id, name: "x", mimeType: "image/png", bytes: 3, createdAt: 0 }),
  readFile: async () =>
    (async function* () {
      yield Buffer.from("png");
    })(),
};
const render = (outputs: Output[], more?: Partial<Execution>, isEvent = false) =>
  contentOf(execution(outputs, more), stored as Interpreter, { limits, isEvent });
const text = (value: string): Output => ({ type: "text", stream: "stdout", text: value });
const image = (file_id: string, bytes = 3, mime_type: "image/png" | "image/svg+xml" = "image/png"): Output => ({
  type: "image",
  mime_type,
  file_id,
  url: "",
  bytes,
  width: 1,
  height: 1,
  role: "display",
});

test("keeps the order of text and images, and joins adjacent texts", async () => {
  const blocks = await render([text("a"), { type: "result", text: "b" }, image("file_1"), text("c")]);
  expect(blocks).toEqual([
    { type: "text", text: "a\nb" },
    { type: "image", data: "cG5n", mimeType: "image/png" },
    { type: "text", text: "c" },
  ]);
});

test("images above the bounds, of types that clients do not show, or that are gone become links", async () => {
  const blocks = await render([
    image("file_svg", 3, "image/svg+xml"),
    image("file_big", 101),
    image("file_gone"),
    image("file_1"),
    image("file_2"),
    image("file_3"),
  ]);
  expect(blocks.map((block) => block.type)).toEqual(["resource_link", "resource_link", "resource_link", "image", "image", "resource_link"]);
});

test("in an event, images that together are above its bound become links, and smaller ones after them stay images", async () => {
  const images = [image("file_1", 60), image("file_2", 60), image("file_3", 40)];
  expect((await render(images, {}, true)).map((block) => block.type)).toEqual(["image", "resource_link", "image"]);
  expect((await render(images)).map((block) => block.type)).toEqual(["image", "image", "resource_link"]);
});

test("printed output is cut before the exception, the ending and the files", async () => {
  const error: Output = { type: "error", name: "ValueError", value: "bad", traceback: ["Traceback", "ValueError: bad"], line: 1 };
  const file: Output = {
    type: "file",
    file_id: "file_1",
    url: "",
    name: "a.csv",
    mime_type: "text/csv",
    bytes: 1,
    sha256: "",
    change: "created",
  };
  const blocks = await render([text("x".repeat(5_000)), text("y".repeat(5_000)), error, file], { status: "failed", cause: "exception" });
  const joined = blocks.map((block) => ("text" in block ? block.text : "")).join("\n");
  expect(joined).toContain("ValueError: bad");
  expect(joined).toContain("The code raised an exception.");
  expect(joined).toMatch(/characters left out/);
  expect(joined).toMatch(/more characters of output are left out/);
  expect(joined.length).toBeLessThan(1_200);
  expect(blocks.map((block) => block.type)).toContain("resource_link");
});

test("JSON cannot end the fence around it", async () => {
  const [block] = await render([{ type: "json", data: "```", role: "display" }]);
  expect(block).toMatchObject({ text: '````json\n"```"\n````' });
  expect(await render([{ type: "json", data: "` ".repeat(200_000), role: "display" }])).toHaveLength(1);
});

test("reports missing or truncated output, and skipped files", async () => {
  expect(await render([])).toMatchObject([{ text: expect.stringContaining("without output") }]);
  const truncated = { stdout: true, stderr: false, outputs: true, files: true };
  const [block] = await render([text("a")], { truncated, skipped_files: [{ name: "big.bin", reason: "too large" }] });
  expect(block).toMatchObject({ text: expect.stringMatching(/stdout than is kept.*more outputs than are kept.*big\.bin \(too large\)/s) });
});
