import { describe, expect, test } from "vitest";
import { readableText, type TextualOutput } from "../../../src/readable/readable-text.ts";

const text = (output: TextualOutput) => readableText(output, 50);
const html = (source: string, plain?: string): TextualOutput => ({
  type: "html",
  text: source,
  role: "result",
  ...(plain === undefined ? {} : { data: { "text/plain": plain } }),
});
const base64 = Buffer.alloc(30_000).toString("base64");

describe("the text of an output", () => {
  test("of HTML is its text form, unless that only names an object", () => {
    expect(text(html("<div>diagram</div>", "LinearRegression()"))).toBe("LinearRegression()");
    for (const name of ["<IPython.core.display.HTML object>", "<IPython.lib.display.IFrame at 0x7f>", "", undefined])
      expect(text(html("<b>x</b>", name))).toBe("x");
  });

  test("never has base64 of data URIs", () => {
    const uri = `data:image/png;base64,${base64}`;
    for (const output of [
      html("<b>x</b>", `![](${uri})`),
      { type: "markdown", text: `![](${uri})`, role: "display" },
      { type: "result", text: `'${uri}'` },
      { type: "json", data: { picture: uri, raw: base64 }, role: "display" },
    ] as TextualOutput[])
      expect(text(output).length).toBeLessThan(200);
    expect(text({ type: "markdown", text: `![](${uri})`, role: "display" })).toBe("![](data:image/png, 30 kB)");
  });

  test("of printed text has no last line end", () => {
    expect(text({ type: "text", stream: "stdout", text: "a\n\n" })).toBe("a\n");
  });

  test("of JSON is compact", () => {
    expect(text({ type: "json", data: { a: [1, null] }, role: "result" })).toBe('{"a":[1,null]}');
  });

  test("of a Plotly figure is one line with its titles and traces", () => {
    const data = {
      data: [{ type: "bar", name: "a", x: ["u", "v"], y: [1, 2] }, { y: { dtype: "f8", bdata: Buffer.alloc(80).toString("base64") } }],
      layout: { title: { text: "Sales" }, xaxis: { title: { text: "month" } }, yaxis: { title: "euro" } },
    };
    expect(text({ type: "json", data, mime_type: "application/vnd.plotly.v1+json", role: "display" })).toBe(
      '[Plotly figure "Sales", x: month, y: euro, 2 traces: bar "a" of 2 points, scatter of 10 points]',
    );
  });

  test("of a Vega-Lite chart is one line with its mark and channels", () => {
    const data = { title: "T", mark: { type: "bar" }, encoding: { x: { field: "a" }, y: { aggregate: "count" } }, data: { values: [1] } };
    expect(text({ type: "json", data, mime_type: "application/vnd.vegalite+json", role: "display" })).toBe(
      '[Vega-Lite chart "T", mark: bar, x: a, y: count]',
    );
  });

  test.each([null, 3, "x", [], { data: 3, layout: [] }, { data: [null, { x: { bdata: 3 } }], encoding: [1], title: {} }])(
    "of a figure that is none is still one line: %j",
    (data) => {
      for (const mime_type of ["application/vnd.plotly.v1+json", "application/vnd.vegalite+json"])
        expect(text({ type: "json", data, mime_type, role: "display" })).toMatch(/^\[.*\]$/);
    },
  );
});
