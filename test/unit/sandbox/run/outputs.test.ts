import { describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import type { RunPorts } from "../../../../src/domain/run.ts";
import { RunOutputs } from "../../../../src/sandbox/run/outputs.ts";
import { frameBounds } from "../../../../src/sandbox/wire/frame-stream.ts";
import { FrameParser, HEADER_BYTES, type OutFrame, outKinds } from "../../../../src/sandbox/wire/frames.ts";

const limits = makeLimits({ outputsCountMax: 10 });
const ports: RunPorts = {
  openFile: () => Promise.reject(new Error("no inputs here")),
  saveFile: () => Promise.reject(new Error("no files here")),
  emit: () => Promise.resolve(),
};

function frame(kind: "display" | "error", head: Record<string, unknown>): OutFrame {
  return { kind, head, body: Buffer.alloc(0), bytes: JSON.stringify(head).length, values: 1 };
}

describe("text", () => {
  test("that alternates between both streams keeps its order up to the bound, and all characters above it", async () => {
    const outputs = new RunOutputs(ports, limits);
    for (let turn = 0; turn < 3000; turn++) {
      await outputs.text("stdout", Buffer.from("o"));
      await outputs.text("stderr", Buffer.from("e"));
    }
    const list = outputs.list();
    expect(list).toHaveLength(4096);
    expect(list.slice(0, 3).map((output) => output.type === "text" && output.text)).toEqual(["o", "e", "o"]);
    const all = (stream: string) => list.map((output) => (output.type === "text" && output.stream === stream ? output.text : "")).join("");
    expect(all("stdout")).toBe("o".repeat(3000));
    expect(all("stderr")).toBe("e".repeat(3000));
  });

  test("of a stream that begins above the bound gets its own output", async () => {
    const outputs = new RunOutputs(ports, { ...limits, outputsCountMax: 5000, displaysBytesMax: 1_000_000, displaysValuesMax: 10_000 });
    for (let turn = 0; turn < 4096; turn++) {
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
  const table = { type: "table", columns: [], row_count: 0, truncated: false, role: "result" };

  test("with too many values, in one or in all, are omitted", async () => {
    const outputs = new RunOutputs(ports, limits);
    const shown = frame("display", { type: "json", role: "display", data: 1 });
    await outputs.display({ ...shown, values: limits.displayValuesMax });
    expect(outputs.truncated.outputs).toBe(false);
    await outputs.display({ ...shown, values: limits.displayValuesMax + 1 });
    expect(outputs.truncated.outputs).toBe(true);
    const left = Math.floor(limits.displaysValuesMax / limits.displayValuesMax) - 2;
    for (let count = 0; count < left + 3; count++) await outputs.display({ ...shown, values: limits.displayValuesMax - 1 });
    expect(outputs.list()).toHaveLength(1 + left);
  });

  test("nested too deeply for a recursive JSON writer are omitted", async () => {
    const outputs = new RunOutputs(ports, limits);
    const show = async (depth: number) => {
      const head = Buffer.from(`{"type":"json","role":"display","data":${"[".repeat(depth)}1${"]".repeat(depth)}}`);
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt8(outKinds.display, 0);
      header.writeUInt32BE(head.length, 1);
      for (const each of new FrameParser(frameBounds(limits)).push(Buffer.concat([header, head]))) await outputs.display(each);
    };
    await show(128);
    expect(outputs.truncated.outputs).toBe(false);
    await show(129);
    await show(200_000);
    expect(outputs.list()).toHaveLength(1);
    expect(outputs.truncated.outputs).toBe(true);
  });

  test("that the runner omitted, or that were too large to parse, are reported as truncated", async () => {
    const outputs = new RunOutputs(ports, limits);
    await outputs.display(frame("display", {}));
    expect(outputs).toMatchObject({ truncated: { outputs: true } });
    expect(outputs.list()).toEqual([]);
  });

  test.each([
    ["cells", { ...table, rows: [Array(limits.displayValuesMax).fill({})] }],
    ["rows", { ...table, rows: Array(limits.displayValuesMax).fill(0) }],
    ["columns", { ...table, columns: Array(limits.displayValuesMax).fill(0), rows: [] }],
  ])("with only invalid %s are rejected at the first", async (_, head) => {
    const outputs = new RunOutputs(ports, limits);
    await outputs.display({ kind: "display", head, body: Buffer.alloc(0), bytes: 1_000_000, values: limits.displayValuesMax });
    expect(outputs).toMatchObject({ truncated: { outputs: true } });
  });

  test("with an unknown member, or too many other forms, are omitted", async () => {
    const outputs = new RunOutputs(ports, limits);
    const column = { name: "a", dtype: "int64" };
    const whole = { ...table, columns: [column], rows: [[1, "b", null, true]], data: { "text/plain": "a" } };
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, form) => [`text/${form}`, ""]));
    for (const more of [{ file_id: "file_1" }, { columns: [{ ...column, more: 1 }] }, { data: many }])
      await outputs.display(frame("display", { ...whole, ...more }));
    expect(outputs.truncated.outputs).toBe(true);
    await outputs.display(frame("display", whole));
    expect(outputs.list()).toEqual([whole]);
  });

  test("are not parsed once a run has its maximum", async () => {
    const outputs = new RunOutputs(ports, { ...limits, outputsCountMax: 0 });
    const unread: OutFrame = {
      ...frame("display", {}),
      get head(): never {
        throw new Error("read");
      },
    };
    await outputs.display(unread);
    expect(outputs.truncated.outputs).toBe(true);
  });
});

describe("errors", () => {
  test("with too many traceback lines or too many bytes are omitted", async () => {
    const outputs = new RunOutputs(ports, limits);
    const raised = { name: "E", value: "v", traceback: [], line: null };
    await outputs.error({ ...frame("error", raised), values: limits.tracebackLinesMax + 33 });
    await outputs.error({ ...frame("error", raised), bytes: limits.displayBytesMax });
    expect(outputs.list()).toEqual([]);
    expect(outputs.truncated.outputs).toBe(true);
  });

  test("are kept up to the maximum of a run", async () => {
    const outputs = new RunOutputs(ports, limits);
    for (let count = 0; count < 100; count++) {
      await outputs.error(frame("error", { name: "E", value: String(count), traceback: [], line: null, errno: count }));
    }
    expect(outputs.list()).toHaveLength(4);
    expect(outputs.errno).toBe(3);
  });
});
