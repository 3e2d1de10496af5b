import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { Output } from "../../../src/domain/outputs.ts";
import { type EngineUnderTest, type Ran, startEngine } from "../../support/sandboxes/engine.ts";

const OUTPUTS = 5;
const DISPLAY_BYTES = 20_000;
const DISPLAYS_BYTES = 50_000;
const ROWS = 10;
const COLUMNS = 6;
const POINTS = 50;
const VALUE_BYTES = 1_000;
const TRACEBACK_LINES = 12;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({
    limits: makeLimits({
      outputsCountMax: OUTPUTS,
      displayBytesMax: DISPLAY_BYTES,
      displaysBytesMax: DISPLAYS_BYTES,
      tableRowsMax: ROWS,
      tableColumnsMax: COLUMNS,
      chartPointsMax: POINTS,
      textValueBytesMax: VALUE_BYTES,
      tracebackLinesMax: TRACEBACK_LINES,
    }),
  });
});
afterAll(() => under.close());

function ofType<T extends Output["type"]>(ran: Ran, type: T): Array<Extract<Output, { type: T }>> {
  return ran.end.outputs.filter((output): output is Extract<Output, { type: T }> => output.type === type);
}

const html = (bytes: number) => `display({"text/html": "h" * ${bytes}}, raw=True)`;

describe("the number of outputs", () => {
  test.each([
    ["just below", OUTPUTS - 1],
    ["at", OUTPUTS],
  ])("%s its bound is kept", async (_, count) => {
    const ran = await under.run(`for _ in range(${count}): ${html(1)}`);
    expect(ofType(ran, "html")).toHaveLength(count);
    expect(ran.end).toMatchObject({ status: "completed", truncated: { outputs: false } });
  });

  test("above its bound is truncated and reported, not a failure", async () => {
    const ran = await under.run(`print("first")\nfor _ in range(${OUTPUTS + 1}): ${html(1)}\nprint("last")`);
    expect(ofType(ran, "html")).toHaveLength(OUTPUTS);
    expect(ran.end).toMatchObject({ status: "completed", truncated: { outputs: true } });
    expect(ran.text()).toContain("last");
  });

  test("above its bound still leaves room for the error", async () => {
    const ran = await under.run(`for _ in range(${2 * OUTPUTS}): ${html(1)}\nraise ValueError("the end")`);
    expect(ofType(ran, "error")).toEqual([expect.objectContaining({ name: "ValueError", value: "the end" })]);
  });
});

describe("the bytes of outputs", () => {
  /** JSON around the text of one HTML output. */
  const AROUND = 200;

  test("of one below its bound are kept", async () => {
    const ran = await under.run(html(DISPLAY_BYTES - AROUND));
    expect(ofType(ran, "html")[0]?.text).toHaveLength(DISPLAY_BYTES - AROUND);
    expect(ran.end.truncated.outputs).toBe(false);
  });

  test("of one above its bound are omitted, and the other outputs kept", async () => {
    const ran = await under.run(`${html(1)}\n${html(DISPLAY_BYTES + 1)}\n${html(2)}`);
    expect(ofType(ran, "html").map((output) => output.text.length)).toEqual([1, 2]);
    expect(ran.end).toMatchObject({ status: "completed", truncated: { outputs: true } });
  });

  test("together are kept below their bound, and omitted above it", async () => {
    const two = await under.run(`for _ in range(2): ${html(16_000)}`);
    expect([ofType(two, "html").length, two.end.truncated.outputs]).toEqual([2, false]);
    const four = await under.run(`for _ in range(4): ${html(16_000)}`);
    expect([ofType(four, "html").length, four.end.truncated.outputs]).toEqual([3, true]);
  });

  test("of the last expression's value are cut at the bound of a value", async () => {
    expect(ofType(await under.run(`"r" * ${VALUE_BYTES - 2}`), "result")[0]?.text).toBe(`'${"r".repeat(VALUE_BYTES - 2)}'`);
    const long = ofType(await under.run(`"r" * ${VALUE_BYTES * 10}`), "result")[0]?.text ?? "";
    expect(long).toMatch(/^'r{900,}…'?$/);
    expect(Buffer.byteLength(long)).toBeLessThan(VALUE_BYTES + 10);
  });
});

describe("a table", () => {
  const table = (rows: number, columns: number) => `import pandas\npandas.DataFrame({f"c{n}": range(${rows}) for n in range(${columns})})`;

  test.each([
    ["just below", ROWS - 1],
    ["at", ROWS],
  ])("%s its bound of rows is whole", async (_, rows) => {
    const [shown] = ofType(await under.run(table(rows, 2)), "table");
    expect(shown).toMatchObject({ row_count: rows, truncated: false });
    expect(shown?.rows).toHaveLength(rows);
  });

  test("above its bound of rows has the first rows, the total, and is marked truncated", async () => {
    const [shown] = ofType(await under.run(table(ROWS + 1, 2)), "table");
    expect(shown).toMatchObject({ row_count: ROWS + 1, truncated: true });
    expect(shown?.rows).toHaveLength(ROWS);
  });

  test("above its bound of columns has the first columns and is marked truncated", async () => {
    const columnsOf = async (count: number) => ofType(await under.run(table(2, count)), "table")[0];
    expect(await columnsOf(COLUMNS - 1)).toMatchObject({ truncated: false });
    expect(await columnsOf(COLUMNS - 1)).toHaveProperty("columns.length", (await columnsOf(COLUMNS - 1))?.rows[0]?.length);
    const wide = await columnsOf(COLUMNS + 5);
    expect(wide?.truncated).toBe(true);
    expect(wide?.columns.length).toBeLessThanOrEqual(COLUMNS);
    expect(wide?.rows[0]).toHaveLength(wide?.columns.length ?? -1);
  });
});

describe("a chart", () => {
  const chart = (points: number) =>
    `import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1), dpi=30)\nplt.plot(range(${points}))\nplt.show()`;

  test.each([
    ["at", POINTS, false],
    ["above", POINTS + 1, true],
  ] as const)("%s its bound of points", async (_, points, truncated) => {
    const [shown] = ofType(await under.run(chart(points)), "chart");
    expect(shown?.truncated).toBe(truncated);
    expect(shown?.series[0]?.y?.length).toBeLessThanOrEqual(POINTS);
    if (!truncated) expect(shown?.series[0]?.y).toHaveLength(points);
  });
});

describe("a traceback", () => {
  test("below its bound is whole", async () => {
    const [error] = ofType(await under.run("def fail():\n    raise ValueError('x')\nfail()"), "error");
    expect(error?.traceback.length).toBeLessThanOrEqual(TRACEBACK_LINES);
    expect(error?.traceback.at(-1)).toBe("ValueError: x");
  });

  test("above its bound keeps its first and last lines", async () => {
    const chain = Array.from({ length: 30 }, (_, n) => `def f${n}(): f${n + 1}()`).join("\n");
    const [error] = ofType(await under.run(`${chain}\ndef f30(): raise ValueError("x")\nf0()`), "error");
    expect(error?.traceback.length).toBeLessThanOrEqual(TRACEBACK_LINES + 1);
    expect(error?.traceback[0]).toMatch(/^Traceback/);
    expect(error?.traceback.at(-1)).toBe("ValueError: x");
  });
});
