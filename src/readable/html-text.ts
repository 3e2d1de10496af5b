import { Parser } from "htmlparser2";
import { decodedBytes, nameDataUris } from "./embedded-data.ts";
import { HtmlTable } from "./html-table.ts";
import { sizeText } from "./size.ts";

/** More than any text for a model, and parsed in a few milliseconds. */
const HTML_CHARS_MAX = 256 * 1024;
/** The parser searches all open elements for each end tag. */
const DEPTH_MAX = 256;

/** Elements whose text is not for readers, or is shown only where the element itself cannot be. */
const SILENT = new Set(["script", "style", "head", "title", "template", "audio", "video", "iframe", "object", "canvas", "svg", "datalist"]);
const BLOCKS = new Set(
  (
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 " +
    "header hr html legend li main nav ol p pre section summary table tbody tfoot thead tr ul"
  ).split(" "),
);
const MEDIA = new Set(["img", "audio", "video", "source", "iframe", "embed", "object"]);

/** Stands for a space of preformatted text while other spaces are joined. */
const KEPT_SPACE = "\u0001";

type Attributes = Record<string, string>;

/**
 * The text of HTML: its tables as Markdown tables of at most `rowsMax` rows, pictures and sound by type and size, scripts by
 * size. The HTML comes from user code, so time and memory are in proportion to its length, which is bounded.
 */
export function htmlText(html: string, rowsMax: number): string {
  const size = sizeText(html.length);
  const reader = new Reader(rowsMax, size);
  const named = nameDataUris(html);
  const parser = new Parser(
    {
      onopentag: (name, attributes) => reader.open(name, attributes),
      ontext: (text) => reader.text(text),
      onclosetag: (name) => reader.close(name),
    },
    { decodeEntities: true },
  );
  let whole = named.length <= HTML_CHARS_MAX;
  try {
    parser.write(named.slice(0, HTML_CHARS_MAX));
    parser.end();
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    whole = false;
  }
  const text = [reader.end(), ...(whole ? [] : ["[… the rest of the HTML is left out …]"])].filter((part) => part !== "").join("\n");
  return text === "" ? `[HTML without text, ${size}]` : text;
}

class TooDeep extends Error {}

class Reader {
  readonly #rowsMax: number;
  readonly #size: string;
  readonly #pieces: string[] = [];
  #table: HtmlTable | null = null;
  #depth = 0;
  #silent = 0;
  #preformatted = 0;
  #tables = 0;
  #scripts = 0;
  readonly #links: string[] = [];
  /** Where the text of the open link begins. */
  #linkText = "";

  /** `size` is that of the whole HTML. */
  constructor(rowsMax: number, size: string) {
    this.#rowsMax = rowsMax;
    this.#size = size;
  }

  open(name: string, attributes: Attributes): void {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new TooDeep();
    if (MEDIA.has(name) && (this.#silent === 0 || name === "source")) this.#write(mediaText(name, attributes));
    if (name === "svg" && this.#silent === 0) this.#write("[drawing, image/svg+xml]");
    if (SILENT.has(name)) this.#silent += 1;
    if (name === "script") this.#scripts += 1;
    if (this.#silent > 0) return;
    if (name === "br") {
      this.#write("\n");
      return;
    }
    if (name === "pre") this.#preformatted += 1;
    if (name === "a") {
      this.#links.push(attributes.href ?? "");
      this.#linkText = "";
    }
    if (name === "input" && attributes.type === "checkbox") this.#write("checked" in attributes ? "[x] " : "[ ] ");
    if ((name === "progress" || name === "meter") && attributes.value !== undefined)
      this.#write(`[${name} ${attributes.value}${attributes.max === undefined ? "" : ` of ${attributes.max}`}] `);
    this.#openTablePart(name, attributes);
    if (this.#table !== null) return;
    if (BLOCKS.has(name)) this.#break();
    if (name === "li") this.#write("- ");
    else if (name === "hr") this.#write("---\n");
    else if (/^h[1-6]$/.test(name)) this.#write(`${"#".repeat(Number(name[1]))} `);
  }

  #openTablePart(name: string, attributes: Attributes): void {
    if (name === "table") {
      this.#tables += 1;
      this.#table ??= new HtmlTable(this.#rowsMax);
    } else if (this.#tables === 1 && name === "tr") this.#table?.openRow();
    else if (this.#tables === 1 && (name === "td" || name === "th")) this.#table?.openCell(attributes.colspan, attributes.rowspan);
    else if (this.#table !== null && (name === "td" || name === "th" || BLOCKS.has(name))) this.#table.text(" ");
  }

  text(text: string): void {
    if (this.#silent > 0) return;
    const kept = this.#preformatted > 0 && this.#table === null;
    const shown = kept ? text.replaceAll(" ", KEPT_SPACE) : text.replace(/\s+/g, " ");
    if (shown === " " && this.#table === null && this.#atLineStart()) return;
    if (this.#links.length > 0) this.#linkText += shown;
    this.#write(shown);
  }

  close(name: string): void {
    this.#depth -= 1;
    if (SILENT.has(name)) this.#silent = Math.max(0, this.#silent - 1);
    if (this.#silent > 0) return;
    if (name === "pre") this.#preformatted = Math.max(0, this.#preformatted - 1);
    if (name === "a") this.#closeLink();
    if (name === "table") this.#closeTable();
    else if (this.#table === null && BLOCKS.has(name)) this.#break();
  }

  #closeLink(): void {
    const target = this.#links.pop() ?? "";
    if (/^(https?:|mailto:|[^:#]+$)/i.test(target) && target !== this.#linkText.trim()) this.#write(` (${target.slice(0, 500)})`);
  }

  #closeTable(): void {
    this.#tables = Math.max(0, this.#tables - 1);
    const table = this.#table;
    if (this.#tables > 0 || table === null) return;
    this.#table = null;
    this.#write(`\n\n${table.end()}\n\n`);
  }

  /** The whole text. Elements that are still open count as closed. */
  end(): string {
    this.#tables = Math.min(this.#tables, 1);
    this.#closeTable();
    if (this.#scripts > 0) {
      this.#break();
      this.#write(`[script, not run; HTML of ${this.#size}]`);
    }
    // Line by line: a search for spaces before line ends would take quadratic time.
    const lines = this.#pieces.join("").split("\n");
    return lines
      .map((line) => line.trim().replace(/ {2,}/g, " "))
      .join("\n")
      .replace(/\n{3,}/g, "\n\n")
      .replaceAll(KEPT_SPACE, " ")
      .trim();
  }

  #break(): void {
    if (!this.#atLineStart()) this.#write("\n");
  }

  #atLineStart(): boolean {
    return this.#pieces.at(-1)?.endsWith("\n") ?? true;
  }

  #write(text: string): void {
    if (this.#table === null) this.#pieces.push(text);
    else this.#table.text(text.replaceAll("\n", " "));
  }
}

function mediaText(name: string, attributes: Attributes): string {
  const source = attributes.src ?? attributes.data;
  if (name === "iframe" && attributes.srcdoc !== undefined) return `[iframe, a page of ${sizeText(attributes.srcdoc.length)}]`;
  // A video or sound may have its address in a `source` inside.
  if (source === undefined || source === "") return "";
  const alt = name === "img" && attributes.alt ? `“${attributes.alt.slice(0, 200)}” ` : "";
  const kind = name === "img" ? "image" : name === "source" ? "media" : name;
  return source.startsWith("data:") ? `[${alt}${dataText(source)}]` : `[${kind} ${alt}${source.slice(0, 500)}]`;
}

/** Data URIs are named already, or hold text. */
function dataText(source: string): string {
  const [type, ...rest] = source.slice("data:".length).split(",");
  const size = rest.join(",").trim();
  return /^\d[\d.]* (bytes|[kM]B)$/.test(size) ? `${type}, ${size}` : `${(type ?? "").slice(0, 100)}, ${sizeText(decodedBytes(size))}`;
}
