import { base64Name, decodedBytes, nameDataUris } from "./embedded-data.ts";

const NAMES_SHOWN_MAX = 10;
const NAME_CHARS_MAX = 200;

const PLOTLY = "application/vnd.plotly.";
const VEGA = "application/vnd.vega";

/** Whether JSON of this type is a figure, which `jsonText` describes in one line. */
export function isFigure(mimeType: string | undefined): boolean {
  return mimeType !== undefined && (mimeType.startsWith(PLOTLY) || mimeType.startsWith(VEGA));
}

/** JSON for a reader: a figure in one line, all else as compact JSON with base64 named by its size. */
export function jsonText(data: unknown, mimeType: string | undefined): string {
  if (mimeType?.startsWith(PLOTLY)) return plotlyText(data);
  if (mimeType?.startsWith(VEGA)) return vegaText(data);
  return JSON.stringify(data, (_, value) => (typeof value === "string" ? (base64Name(value) ?? nameDataUris(value)) : value)) ?? "null";
}

/** `[Plotly figure "Sales", x: month, y: euro, 2 traces: bar "a" of 12 points, scatter of 3 points]` */
function plotlyText(figure: unknown): string {
  const traces = list(member(figure, "data"));
  const layout = member(figure, "layout");
  const shown = traces.slice(0, NAMES_SHOWN_MAX).map((trace) => {
    const name = text(member(trace, "name"));
    return `${text(member(trace, "type")) || "scatter"}${name === "" ? "" : ` ${JSON.stringify(name)}`} of ${pointCount(trace)} points`;
  });
  const more = traces.length - shown.length;
  const parts = [
    `Plotly figure${quoted(title(layout))}`,
    ...["xaxis", "yaxis"].flatMap((axis) => labelled(axis.slice(0, 1), title(member(layout, axis)))),
    `${traces.length} ${traces.length === 1 ? "trace" : "traces"}: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
  ];
  return `[${parts.join(", ")}]`;
}

/** `[Vega-Lite chart "Sales", mark: bar, x: month, y: euro]` */
function vegaText(spec: unknown): string {
  const mark = member(spec, "mark");
  const encoding = member(spec, "encoding");
  const channels = isRecord(encoding) ? Object.entries(encoding).slice(0, NAMES_SHOWN_MAX) : [];
  const parts = [
    `Vega-Lite chart${quoted(title(spec))}`,
    ...labelled("mark", text(mark) || text(member(mark, "type"))),
    ...channels.flatMap(([channel, of]) =>
      labelled(channel.slice(0, NAME_CHARS_MAX), text(member(of, "field")) || text(member(of, "aggregate"))),
    ),
    ...["layer", "hconcat", "vconcat", "concat"].flatMap((kind) =>
      list(member(spec, kind)).length > 0 ? [`${list(member(spec, kind)).length} views`] : [],
    ),
  ];
  return `[${parts.join(", ")}]`;
}

const ITEM_BYTES: Record<string, number> = { f8: 8, f4: 4, i1: 1, u1: 1, i2: 2, u2: 2, i4: 4, u4: 4 };

function pointCount(trace: unknown): number {
  for (const name of ["y", "x", "values", "z", "r", "lat", "locations", "labels"]) {
    const points = member(trace, name);
    if (Array.isArray(points)) return points.length;
    // Plotly writes numeric arrays as base64.
    const [data, kind] = [member(points, "bdata"), member(points, "dtype")];
    if (typeof data === "string" && typeof kind === "string") return Math.floor(decodedBytes(data) / (ITEM_BYTES[kind] ?? 8));
  }
  return 0;
}

/** A title is a text, or an object with a text or a list of lines. */
function title(of: unknown): string {
  const found = member(of, "title");
  return text(found) || text(member(found, "text"));
}

function quoted(name: string): string {
  return name === "" ? "" : ` ${JSON.stringify(name)}`;
}

function labelled(label: string, value: string): string[] {
  return value === "" ? [] : [`${label}: ${value}`];
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, NAME_CHARS_MAX).toWellFormed() : "";
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function member(of: unknown, name: string): unknown {
  return isRecord(of) && Object.hasOwn(of, name) ? of[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
