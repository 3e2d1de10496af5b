import { make } from "./dom.js";

const POINTS_SHOWN = 200;

/** A chart's numbers as tables, one per series. */
export function chartData(chart) {
  const axes = [chart.axes.x.label || "x", chart.axes.y.label || "y"];
  const tables = chart.series.map((series, index) => seriesTable(series, axes, series.name ?? `series ${index + 1}`));
  const title = `${chart.kind} chart${chart.title === "" ? "" : `: ${chart.title}`}`;
  return make("div", { className: "chart-data" }, make("p", { className: "caption" }, title), ...tables);
}

function seriesTable(series, [xName, yName], name) {
  const [head, rows] = rowsOf(series, xName, yName);
  const left = rows.length - POINTS_SHOWN;
  return make(
    "div",
    { className: "table-scroll", tabIndex: 0, role: "region", ariaLabel: name },
    make(
      "table",
      {},
      make("caption", {}, left > 0 ? `${name} (first ${POINTS_SHOWN} of ${rows.length} points)` : name),
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows.slice(0, POINTS_SHOWN).map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, text(cell)))))),
    ),
  );
}

function rowsOf(series, xName, yName) {
  if (series.boxes) {
    const head = ["group", "min", "q1", "median", "q3", "max", "outliers"];
    const rows = series.boxes.map((box, index) => [
      series.labels?.[index] ?? index + 1,
      box.min,
      box.q1,
      box.median,
      box.q3,
      box.max,
      box.outliers.length,
    ]);
    return [head, rows];
  }
  if (series.edges) {
    return [["from", "to", "count"], (series.values ?? []).map((count, index) => [series.edges[index], series.edges[index + 1], count])];
  }
  if (series.values) return [["label", "value"], series.values.map((value, index) => [series.labels?.[index] ?? index + 1, value])];
  if (series.rows) return [(series.rows[0] ?? []).map((_, index) => `column ${index + 1}`), series.rows];
  const all = [
    [xName, series.x],
    [yName, series.y],
    ["z", series.z],
    ["base", series.base],
  ];
  const columns = all.filter(([, points]) => points);
  const length = Math.max(0, ...columns.map(([, points]) => points.length));
  return [columns.map(([name]) => name), Array.from({ length }, (_, index) => columns.map(([, points]) => points[index]))];
}

function text(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? String(Number(value.toPrecision(8))) : String(value);
}
