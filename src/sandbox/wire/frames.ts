import type { ToolDeclaration } from "../../domain/tools.ts";
import { countJsonValues, type JsonBounds } from "../../util/json-shape.ts";

/**
 * The protocol between worker and runner: length-prefixed frames over the sandbox's stdin and stdout.
 * `sandbox-image/runner/wire/protocol.py` is the twin; `test/fixtures/frames.json` tests both.
 *
 *     offset 0   1 byte    kind
 *            1   4 bytes   length of head, unsigned, big endian
 *            5   4 bytes   length of body, unsigned, big endian
 *            9   head      JSON object in UTF-8, or nothing
 *            .   body      raw bytes
 *
 * The worker's first bytes are PREAMBLE. The runner drops anything before it, because an engine may pass bytes of its
 * attach request into stdin. All bytes from a sandbox are untrusted.
 */
export const PREAMBLE = Buffer.from("\n#code-interpreter/1\n", "latin1");
export const HEADER_BYTES = 9;

/** Frames that the worker sends. */
export const inKinds = {
  file: 0x01, // {name}: a file begins; its bytes follow as chunks
  chunk: 0x02, // body: the next bytes of the open file
  file_end: 0x03, // {complete}: the open file is complete; when false, discard it
  stdin: 0x04, // body: the program's standard input, whole
  run: 0x05, // RunHead; body: the code in UTF-8
  interrupt: 0x06, // raise KeyboardInterrupt in the code
  close: 0x07, // end now
  preload: 0x08, // {module}: import it into the supervisor, answer preloaded
  remove: 0x09, // {name}: delete a file of the working folder; only between the cells of a session
  tool_answer: 0x0a, // {call, outcome}; body: the answer as JSON
} as const;

/** Frames that the runner sends. */
export const outKinds = {
  ready: 0x41, // {protocol, python}
  preloaded: 0x42, // {module, ok}
  stdout: 0x43, // body
  stderr: 0x44, // body
  display: 0x45, // Display without file id; body: an image's bytes
  error: 0x46, // {name, value, traceback, line, errno}
  file: 0x47, // {name, change, size}: a file begins
  chunk: 0x48, // body
  file_end: 0x49, // {complete}: false when the file could not be read to its announced end
  done: 0x4a, // DoneHead; nothing of this run follows. In a session also {session_alive, restored, removed_files}
  tool_call: 0x4e, // {call, name}; body: the arguments as JSON
  tool_wait: 0x4f, // the code only waits for answers of tools
  started: 0x50, // the runner has the code; shows that it lives. Sent where the run asked for it
} as const;

export type InKind = keyof typeof inKinds;
export type OutKind = keyof typeof outKinds;
export interface InFrame {
  kind: InKind;
  head?: object;
  body?: Uint8Array;
}
export interface OutFrame {
  kind: OutKind;
  /** Parsed on first access. Throws WireError when it is not a JSON object. */
  readonly head: Record<string, unknown>;
  body: Buffer;
  /** Length of head and body together. */
  bytes: number;
  /** JSON values in the head, as `countJsonValues` counts them. */
  values: number;
}

/** Head of `run`: the operator's limits, possibly lowered by the request. The runner applies all of them. */
export interface RunHead {
  /** The code process survives this run and takes the next one. */
  session?: boolean;
  /** The code process leaves a copy of itself after this run. The copy takes its place if the next run kills it. */
  copies?: boolean;
  /** Time for the copy to take its place. */
  restore_ms?: number;
  /** The runner sends `started` once it has the code. */
  announce_start?: boolean;
  timeout_ms: number;
  args: string[];
  env: Record<string, string>;
  stdout_kept_bytes: number;
  stderr_kept_bytes: number;
  output_stop_bytes: number;
  outputs_count: number;
  display_bytes: number;
  displays_bytes: number;
  display_values: number;
  displays_values: number;
  table_rows: number;
  table_columns: number;
  chart_points: number;
  text_value_bytes: number;
  traceback_lines: number;
  files_count: number;
  file_bytes: number;
  files_bytes: number;
  collect_timeout_ms: number;
  /** Present when the run has tools. */
  tools?: readonly ToolDeclaration[];
  /** MCP servers whose tools are `label.name` in `tools`. `problem`: why its tools are not known. */
  tool_servers?: ReadonlyArray<{ label: string; problem?: string }>;
  tool_calls_open?: number;
  tool_calls_count?: number;
  tool_value_bytes?: number;
  tool_wait_ms?: number;
}

/** How the code ended, as the supervisor saw it. */
export const runEnds = ["ok", "exception", "exit", "signal", "timeout", "output", "interrupted", "tool_wait"] as const;
export type RunEnd = (typeof runEnds)[number];

export class WireError extends Error {
  override name = "WireError";
}

const outNames = new Map<number, OutKind>(Object.entries(outKinds).map(([name, code]) => [code, name as OutKind]));

/** Returns the bytes of one frame, in the order to write them. The body is not copied. */
export function encodeFrame(frame: InFrame): Uint8Array[] {
  const head = frame.head === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(frame.head), "utf8");
  const body = frame.body ?? new Uint8Array(0);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt8(inKinds[frame.kind], 0);
  header.writeUInt32BE(head.length, 1);
  header.writeUInt32BE(body.length, 5);
  const front = Buffer.concat([header, head]);
  return body.length === 0 ? [front] : [front, body];
}

interface Header {
  kind: OutKind;
  headBytes: number;
  /** For a chunk: the bytes that are still to come. */
  bodyBytes: number;
}

export interface FrameBounds {
  headBytesMax: number;
  /** A head that has more values, or is deeper, is not parsed and becomes empty, like an output that the runner omits. */
  headJson: JsonBounds;
  bodyBytesMax: number;
}

/**
 * Incremental parser of runner frames. `push` takes any slice of the stream and yields the frames that it completes. It
 * throws WireError at the first byte that cannot belong to a frame; the parser is then unusable. Iterative, linear in
 * the bytes pushed, and never holds more than one frame. The body of a chunk is passed on slice by slice, as several
 * frames: files are large, and joining the slices would copy all of them.
 */
export class FrameParser {
  readonly #bounds: FrameBounds;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #neededBytes = HEADER_BYTES;
  #header: Header | null = null;

  constructor(bounds: FrameBounds) {
    this.#bounds = bounds;
  }

  *push(data: Buffer): Generator<OutFrame> {
    this.#held.push(data);
    this.#heldBytes += data.length;
    while (this.#heldBytes >= this.#neededBytes) {
      if (this.#header === null) {
        this.#header = this.#parseHeader(this.#take(HEADER_BYTES));
        this.#neededBytes = isStreamed(this.#header) ? 1 : this.#header.headBytes + this.#header.bodyBytes;
        continue;
      }
      if (isStreamed(this.#header)) {
        const body = this.#take(Math.min(this.#heldBytes, this.#header.bodyBytes));
        this.#header.bodyBytes -= body.length;
        if (this.#header.bodyBytes === 0) this.#expectHeader();
        yield { kind: "chunk", head: {}, body, bytes: body.length, values: 0 };
        continue;
      }
      const { kind, headBytes, bodyBytes } = this.#header;
      const bytes = this.#take(headBytes + bodyBytes);
      this.#expectHeader();
      yield new HeadedFrame(kind, bytes, headBytes, this.#bounds.headJson);
    }
  }

  #expectHeader(): void {
    this.#header = null;
    this.#neededBytes = HEADER_BYTES;
  }

  #parseHeader(bytes: Buffer): Header {
    const code = bytes.readUInt8(0);
    const kind = outNames.get(code);
    if (kind === undefined) throw new WireError(`unknown frame kind ${code}`);
    const headBytes = bytes.readUInt32BE(1);
    const bodyBytes = bytes.readUInt32BE(5);
    if (kind === "chunk" && headBytes > 0) throw new WireError("chunk frame with a head");
    if (headBytes > this.#bounds.headBytesMax) throw new WireError(`${kind} frame announces a head of ${headBytes} bytes`);
    if (bodyBytes > this.#bounds.bodyBytesMax) throw new WireError(`${kind} frame announces a body of ${bodyBytes} bytes`);
    return { kind, headBytes, bodyBytes };
  }

  #take(count: number): Buffer {
    if (this.#held.length > 1) this.#held = [Buffer.concat(this.#held, this.#heldBytes)];
    const all = this.#held[0] ?? Buffer.alloc(0);
    const rest = all.subarray(count);
    this.#held = rest.length > 0 ? [rest] : [];
    this.#heldBytes = rest.length;
    return all.subarray(0, count);
  }
}

class HeadedFrame implements OutFrame {
  readonly kind: OutKind;
  readonly body: Buffer;
  readonly bytes: number;
  readonly values: number;
  readonly #headText: Buffer;
  #head: Record<string, unknown> | null = null;

  constructor(kind: OutKind, bytes: Buffer, headBytes: number, bounds: JsonBounds) {
    const headText = bytes.subarray(0, headBytes);
    const values = countJsonValues(headText, bounds);
    this.kind = kind;
    this.body = bytes.subarray(headBytes);
    this.bytes = bytes.length;
    this.values = values ?? 0;
    this.#headText = values === null ? Buffer.alloc(0) : headText;
  }

  get head(): Record<string, unknown> {
    this.#head ??= parseHead(this.#headText);
    return this.#head;
  }
}

function isStreamed({ kind, bodyBytes }: Header): boolean {
  return kind === "chunk" && bodyBytes > 0;
}

function parseHead(bytes: Buffer): Record<string, unknown> {
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new WireError("frame head is not JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WireError("frame head is not an object");
  return value as Record<string, unknown>;
}
