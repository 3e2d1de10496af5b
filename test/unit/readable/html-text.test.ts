import { describe, expect, test } from "vitest";
import { htmlText } from "../../../src/readable/html-text.ts";

const text = (html: string, rowsMax = 50) => htmlText(html, rowsMax);
const base64 = (bytes: number) => Buffer.alloc(bytes).toString("base64");

describe("HTML as text", () => {
  test("has one line per block, and no markup", () => {
    expect(text("<h2>Title</h2><p>one <b>bold</b>\n word<br>next</p><ul><li>a</li><li>b</li></ul><div>x &amp; &lt;y&gt;</div>")).toBe(
      "## Title\none bold word\nnext\n- a\n- b\nx & <y>",
    );
  });

  test("keeps the lines and spaces of preformatted text", () => {
    expect(text("<p>a</p><pre>x = 1\n  y  = 2</pre>")).toBe("a\nx = 1\n  y  = 2");
  });

  test("of a table is a Markdown table", () => {
    const html =
      '<style type="text/css">#T_1 { color: red }</style><table id="T_1"><thead><tr><th class="blank">&nbsp;</th><th>a</th><th>b</th></tr></thead>' +
      "<tbody><tr><th>0</th><td>1</td><td>3.14</td></tr><tr><th>1</th><td>x|y</td><td>2.00</td></tr></tbody></table>";
    expect(text(html)).toBe("| | a | b |\n| --- | --- | --- |\n| 0 | 1 | 3.14 |\n| 1 | x\\|y | 2.00 |");
  });

  test("keeps columns apart where cells span several", () => {
    const html =
      "<table><tr><th rowspan=2>k</th><th colspan=2>both</th></tr><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>";
    expect(text(html).split("\n").slice(2)).toEqual(["| | a | b |", "| 1 | 2 | 3 |"]);
  });

  test("counts the rows that are left out", () => {
    const rows = Array.from({ length: 100 }, (_, n) => `<tr><td>${n}</td></tr>`).join("");
    const lines = text(`<table><tr><th>n</th></tr>${rows}</table>after`, 3).split("\n");
    expect(lines).toEqual(["| n |", "| --- |", "| 0 |", "| 1 |", "| 2 |", "(97 more rows)", "", "after"]);
  });

  test("of a table in a table is text in one cell", () => {
    expect(text("<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></tr></table>")).toBe(
      "| a b c | d |\n| --- | --- |",
    );
  });

  test("names sound, video and pictures by type and size, without their base64", () => {
    const audio = `<audio controls="controls"><source src="data:audio/wav;base64,${base64(15_700)}" type="audio/wav" />Your browser cannot play it.</audio>`;
    expect(text(audio)).toBe("[audio/wav, 15.7 kB]");
    expect(text(`<video src="data:video/mp4;base64,${base64(2_500_000)}" controls>no</video>`)).toBe("[video/mp4, 2.5 MB]");
    expect(text(`<img alt="a cat" src='data:image/png;base64,${base64(500)}'>`)).toBe("[“a cat” image/png, 500 bytes]");
    expect(text('<img src="http://x/y.png"/>')).toBe("[image http://x/y.png]");
    expect(text('<iframe src="https://example.org/" width=400>none</iframe>')).toBe("[iframe https://example.org/]");
    expect(text("<svg><text>inside</text></svg>")).toBe("[drawing, image/svg+xml]");
  });

  test("says that scripts are not run, and the size of the HTML", () => {
    const frames = `frames[0] = "data:image/png;base64,${base64(60_000).replace(/(.{76})/g, "$1\\\n")}"`;
    const shown = text(`<div class="animation"><img id="_anim_img"><button>Once</button></div><script>${frames}</script>`);
    expect(shown).toMatch(/^Once\n\[script, not run; HTML of 8\d(\.\d)? kB\]$/);
  });

  test("shows the target of a link unless its text is the target", () => {
    expect(text("<a href='report.csv' target='_blank'>report.csv</a>")).toBe("report.csv");
    expect(text("see <a href='https://x.org/'>the page</a>, <a href='javascript:f()'>run</a>")).toBe("see the page (https://x.org/), run");
  });

  test("of HTML without text says so", () => {
    expect(text("<div></div>")).toBe("[HTML without text, 11 bytes]");
  });
});

describe("hostile HTML takes little time and memory:", () => {
  const million = 1_000_000;
  test.each([
    ["deep elements", "<b>".repeat(million / 3)],
    ["unmatched ends in deep elements", "<b>".repeat(million / 6) + "</i>".repeat(million / 8)],
    ["a cell over a billion columns and rows", "<table><tr><td colspan=1000000000 rowspan=1000000000>x</table>"],
    ["cells that each span all columns and rows", `<table>${"<tr><td colspan=9999 rowspan=9999>x".repeat(million / 40)}</table>`],
    ["one row of many cells", `<table><tr>${"<td>x".repeat(million / 5)}</table>`],
    ["open tables", "<table>".repeat(million / 7)],
    ["spaces", ` x${" ".repeat(million)}x `],
    ["preformatted spaces", `<pre>x${" ".repeat(million)}x</pre>`],
    ["pieces of spaces", `x${" <b></b>".repeat(million / 8)}x`],
    ["line ends", "<br>".repeat(million / 4)],
    ["attributes", `<p ${"a=b ".repeat(million / 4)}>`],
    ["starts of data", "data:".repeat(million / 5)],
    ["data without an end", `data:a/b${";a=b".repeat(million / 4)}`],
    ["an open comment", `<!--${"-".repeat(million)}`],
    ["open links", "<a href=x>y".repeat(million / 11)],
  ])("%s", (_, html) => {
    expect(text(html).length).toBeLessThan(2 * million);
  });
});
