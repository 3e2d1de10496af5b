import { expect, test } from "vitest";
import { citationsOf } from "../../../../src/assistant/views/citations.ts";

const FILES = new Map([
  ["plot.png", { containerId: "c", fileId: "f1" }],
  ["out/data.csv", { containerId: "c", fileId: "f2" }],
]);
const cited = (text: string) => citationsOf(text, FILES).map(({ start, end }) => text.slice(start, end));

test.each([
  ["See plot.png", ["plot.png"]],
  ["See plot.png.", ["plot.png"]],
  ["[it](sandbox:/mnt/data/plot.png) and `out/data.csv`", ["plot.png", "out/data.csv"]],
  ["plot.png, then plot.png again", ["plot.png", "plot.png"]],
  ["my_plot.png and plot.png.bak and xplot.png", []],
  ["no file at all", []],
])("%j mentions %j", (text, names) => {
  expect(cited(text)).toEqual(names);
});

test("citations are bounded in number and in the order of the text", () => {
  const many = citationsOf("out/data.csv plot.png ".repeat(100), FILES);
  expect(many.length).toBe(32);
  expect(many.map(({ start }) => start)).toEqual(many.map(({ start }) => start).toSorted((a, b) => a - b));
});
