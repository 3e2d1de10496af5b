import { chartData } from "./chart.js";
import { bytesText, honestName, make } from "./dom.js";
import { addressOf, download } from "./stored-file.js";
import { terminalNodes } from "./terminal-text.js";

const ROWS_AT_FIRST = 50;

/** Prepended to HTML of user code. Without it, the frame inherits the page's policy, which allows images from this service. */
const FRAME_HEAD = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'"><meta name="color-scheme" content="light dark">`;

/** HTML of user code is shown only in a frame without scripts, forms, origin or network. */
const frameHtml = globalThis.trustedTypes?.createPolicy("output-frame", { createHTML: (text) => text }) ?? { createHTML: (text) => text };

export function textPart(output) {
  const part = make("pre", { className: `text ${output.stream}` }, ...terminalNodes(output.text));
  if (output.stream === "stderr") part.ariaLabel = "standard error";
  return part;
}

/** An image, with a button that shows the data of its charts. */
export function imagePart(image, charts) {
  const about = image.data?.["text/plain"] ?? `Image, ${image.mime_type}`;
  const picture = make("img", { alt: about, width: image.width ?? undefined, height: image.height ?? undefined });
  addressOf(image.file_id).then(
    (address) => {
      picture.src = address;
    },
    (error) => picture.replaceWith(make("p", { className: "problem" }, `The image cannot be loaded: ${error.message}`)),
  );
  const extension = image.mime_type === "image/svg+xml" ? "svg" : image.mime_type.split("/")[1];
  const save = make("button", { type: "button", className: "quiet", onclick: () => download(image.file_id, `image.${extension}`) }, "Save");
  const figure = make("figure", { className: "image" }, picture);
  if (charts.length === 0) {
    figure.append(make("figcaption", {}, save));
    return figure;
  }
  const data = make("div", { hidden: true }, ...charts.map(chartData));
  const toggle = make("button", { type: "button", className: "quiet", ariaPressed: "false" }, "Data");
  toggle.addEventListener("click", () => {
    data.hidden = !data.hidden;
    picture.hidden = !data.hidden;
    toggle.ariaPressed = String(!data.hidden);
  });
  figure.append(data, make("figcaption", {}, toggle, save));
  return figure;
}

export function tablePart(table) {
  const numeric = table.columns.map((column) => /^(u?int|float|complex|decimal)/i.test(column.dtype));
  const rowOf = (row) => make("tr", {}, ...row.map((cell, index) => cellOf(cell, numeric[index])));
  const body = make("tbody", {}, ...table.rows.slice(0, ROWS_AT_FIRST).map(rowOf));
  const head = table.columns.map((column, index) =>
    make("th", { scope: "col", title: column.dtype, className: numeric[index] ? "number" : undefined }, column.name),
  );
  const label = `Table, ${table.row_count} rows, ${table.columns.length} columns`;
  const grid = make("table", {}, make("thead", {}, make("tr", {}, ...head)), body);
  const part = make(
    "div",
    { className: "table" },
    make("div", { className: "table-scroll", tabIndex: 0, role: "region", ariaLabel: label }, grid),
  );
  const note = make("span", {}, `${table.row_count} × ${table.columns.length}`);
  const foot = make("div", { className: "part-foot hint" }, note);
  if (table.rows.length > ROWS_AT_FIRST) {
    const more = make("button", { type: "button", className: "quiet" }, `Show ${table.rows.length} rows`);
    more.addEventListener("click", () => {
      body.append(...table.rows.slice(ROWS_AT_FIRST).map(rowOf));
      more.remove();
    });
    foot.append(more);
  }
  if (table.rows.length < table.row_count) foot.append(` · only the first ${table.rows.length} rows are stored`);
  part.append(foot);
  return part;
}

function cellOf(value, numeric) {
  if (value === null) return make("td", { className: "null" }, "null");
  return make("td", numeric ? { className: "number" } : {}, String(value));
}

export function htmlPart(output) {
  const frame = make("iframe", { title: "HTML output" });
  // Empty: no scripts, no forms, no outgoing links, and a separate origin.
  frame.setAttribute("sandbox", "");
  frame.srcdoc = frameHtml.createHTML(FRAME_HEAD + output.text);
  const plain = textWorthShowing(output.data?.["text/plain"]);
  const source = make("details", {}, make("summary", {}, "Source"), make("pre", { className: "text" }, output.text));
  return make(
    "div",
    { className: "html" },
    frame,
    make("p", { className: "hint" }, "Shown without scripts and styles."),
    ...(plain ? [make("pre", { className: "text" }, plain)] : []),
    source,
  );
}

/** Null when the text form of a value is only its type and address. */
function textWorthShowing(text) {
  return text === undefined || /^<.*>$/.test(text) ? null : text;
}

export function labelledText(label, text) {
  return make("div", { className: "labelled" }, make("span", { className: "label" }, label), make("pre", { className: "text" }, text));
}

export function filePart(output) {
  const name = honestName(output.name);
  const problem = make("span", { className: "problem" });
  const save = make(
    "button",
    {
      type: "button",
      className: "quiet",
      ariaLabel: `Save ${name}`,
      onclick: () => download(output.file_id, name).catch((error) => problem.replaceChildren(error.message)),
    },
    "Save",
  );
  const about = `${bytesText(output.bytes)} · ${output.change}`;
  return make(
    "div",
    { className: "file" },
    make("span", { className: "name" }, name),
    make("span", { className: "hint" }, about),
    save,
    problem,
  );
}

/** An exception. `onLine` shows a line in the editor. */
export function errorPart(error, onLine) {
  const head = make("div", { className: "error-head" }, make("strong", {}, error.name), ` ${error.value}`);
  if (error.line !== null) {
    head.append(" ", make("button", { type: "button", className: "quiet", onclick: () => onLine(error.line) }, `line ${error.line}`));
  }
  const traceback = make(
    "details",
    { open: error.traceback.length <= 12 },
    make("summary", {}, "Traceback"),
    make("pre", {}, error.traceback.join("\n")),
  );
  return make("div", { className: "error", role: "alert" }, head, ...(error.traceback.length > 0 ? [traceback] : []));
}
