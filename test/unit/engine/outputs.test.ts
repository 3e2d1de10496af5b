import { describe, expect, test } from "vitest";
import { RunOutputs } from "../../../src/engine/outputs.ts";
import type { RunPorts } from "../../../src/execution/run.ts";
import { makeLimits } from "../../../src/limits.ts";
import type { OutFrame } from "../../../src/wire/frames.ts";

const limits = makeLimits({ outputsCountMax: 10 });
const ports: RunPorts = {
  openFile: () => Promise.reject(new Error("no inputs here")),
  saveFile: () => Promise.reject(new Error("no files here")),
  emit: () => Promise.resolve(),
};

function frame(kind: "display" | "error", head: Record<string, unknown>): OutFrame {
  return { kind, head, body: Buffer.alloc(0), bytes: JSON.stringify(head).length };
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

describe("text", () => {
  test("by turns of both streams keeps its order up to the bound, and all of its characters beyond", async () => {
    const outputs = new RunOutputs(ports, limits);
    for (let turn = 0; turn < 1000; turn++) {
      await outputs.text("stdout", Buffer.from("o"));
      await outputs.text("stderr", Buffer.from("e"));
    }
    const list = outputs.list();
    expect(list).toHaveLength(10);
    expect(list.slice(0, 3).map((output) => output.type === "text" && output.text)).toEqual(["o", "e", "o"]);
    const all = (stream: string) => list.map((output) => (output.type === "text" && output.stream === stream ? output.text : "")).join("");
    expect(all("stdout")).toBe("o".repeat(1000));
    expect(all("stderr")).toBe("e".repeat(1000));
  });

  test("of a stream that begins past the bound has a place of its own", async () => {
    const outputs = new RunOutputs(ports, limits);
    for (let turn = 0; turn < 10; turn++) {
      await outputs.text("stdout", Buffer.from("o"));
      await outputs.display(frame("display", { type: "result", text: "x" }));
    }
    await outputs.text("stderr", Buffer.from("late"));
    await outputs.text("stdout", Buffer.from("more"));
    expect(outputs.list().at(-1)).toEqual({ type: "text", stream: "stderr", text: "late" });
    expect(outputs.list()).toContainEqual({ type: "text", stream: "stdout", text: "omore" });
  });
});

describe("displays", () => {
  test("nested deeper than a recursive writer survives are left out", async () => {
    const outputs = new RunOutputs(ports, limits);
    await outputs.display(frame("display", { type: "json", role: "display", data: nested(128) }));
    expect(outputs.truncated.outputs).toBe(false);
    await outputs.display({ ...frame("display", { type: "json" }), head: { type: "json", role: "display", data: nested(129) } });
    await outputs.display({
      kind: "display",
      head: { type: "json", role: "display", data: nested(200_000) },
      body: Buffer.alloc(0),
      bytes: 400_000,
    });
    expect(outputs.list()).toHaveLength(1);
    expect(outputs.truncated.outputs).toBe(true);
  });
});

describe("errors", () => {
  test("are kept only as far as a run can have any", async () => {
    const outputs = new RunOutputs(ports, limits);
    for (let count = 0; count < 100; count++) {
      await outputs.error(frame("error", { name: "E", value: String(count), traceback: [], line: null, errno: count }));
    }
    expect(outputs.list()).toHaveLength(4);
    expect(outputs.errno).toBe(3);
  });
});
