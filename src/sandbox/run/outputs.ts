import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { FileHash } from "../../domain/provenance.ts";
import { fileNameProblem } from "../../domain/request.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { RunPorts } from "../../domain/run.ts";
import { parseDisplay, parseErrorOutput } from "../wire/display-schema.ts";
import type { OutFrame } from "../wire/frames.ts";
import { WireError } from "../wire/frames.ts";
import { TextDecoding, type TextOutput } from "./text-outputs.ts";

/** Bounds of one run. The runner applies them too, but nothing from a sandbox is trusted, so they are counted again here. */
export type OutputBounds = Pick<
  Limits,
  | "stdoutKeptBytesMax"
  | "stderrKeptBytesMax"
  | "outputStopBytesMax"
  | "outputsCountMax"
  | "displayBytesMax"
  | "displaysBytesMax"
  | "displayValuesMax"
  | "displaysValuesMax"
  | "tracebackLinesMax"
  | "filesOutCountMax"
  | "fileOutBytesMax"
  | "filesOutBytesMax"
>;

/** Bytes above the stop that may be in transit when the runner stops the code. */
const STOP_SLACK_BYTES = 1024 * 1024;
/** Texts of both streams. The runner keeps the order of as many changes between the streams, see code/stream_order.py. */
export const TEXTS_MAX = 4096;
const SKIPPED_FILES_MAX = 64;
const SKIPPED_TEXT_CHARS_MAX = 300;
/** A cell ends with one exception; the others allow for exit handlers and forked copies of the code. */
const ERRORS_MAX = 4;
/** JSON values of an error frame besides its traceback lines. */
const ERROR_VALUES_SLACK = 32;

/** Collects the outputs of a run: validates and bounds them, keeps their order, and emits each as it appears. */
export class RunOutputs {
  readonly truncated = { stdout: false, stderr: false, outputs: false, files: false };
  readonly skippedFiles: ExecutionEnd["skipped_files"] = [];
  readonly bytes = { stdout: 0, stderr: 0, files: 0 };
  /** Hashes of all stored files, images included. */
  readonly stored: FileHash[] = [];
  /** errno of the exception that ended the code, if it had one. */
  errno: number | null = null;
  readonly #ports: RunPorts;
  readonly #bounds: OutputBounds;
  readonly #outputs: Output[] = [];
  readonly #decodings = { stdout: new TextDecoding("stdout"), stderr: new TextDecoding("stderr") };
  readonly #lastTexts: Partial<Record<TextOutput["stream"], TextOutput>> = {};
  #texts = 0;
  #displays = 0;
  #displaysBytes = 0;
  #displaysValues = 0;
  #errors = 0;
  #errorsBytes = 0;
  #files = 0;

  constructor(ports: RunPorts, bounds: OutputBounds) {
    this.#ports = ports;
    this.#bounds = bounds;
  }

  /** All outputs so far. Adjacent text of one stream is joined, and is otherwise exactly what the program wrote. */
  list(): Output[] {
    return [...this.#outputs];
  }

  /** Adds a piece of stdout or stderr. Resolves with false when the run has written too much and must be stopped. */
  async text(stream: "stdout" | "stderr", body: Buffer): Promise<boolean> {
    const keptMax = stream === "stdout" ? this.#bounds.stdoutKeptBytesMax : this.#bounds.stderrKeptBytesMax;
    const room = Math.max(0, keptMax - this.bytes[stream]);
    this.bytes[stream] += body.length;
    if (body.length > room) this.truncated[stream] = true;
    if (room > 0) await this.#addText(this.#decodings[stream].push(body.subarray(0, room)));
    return this.bytes.stdout + this.bytes.stderr <= this.#bounds.outputStopBytesMax + STOP_SLACK_BYTES;
  }

  /** Adds characters that the end of the stream cut off. A character cut by the bound is dropped: that is not the program's error. */
  async endText(): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      const rest = this.#decodings[stream].end();
      if (!this.truncated[stream]) await this.#addText(rest);
    }
  }

  async display(frame: OutFrame): Promise<void> {
    const shown = this.#fits(frame) ? parseDisplay(frame.head) : null;
    if (shown === null) {
      this.truncated.outputs = true;
      return;
    }
    if (shown.type !== "image") return this.#add(shown);
    const { mime_type } = shown;
    const name = `image-${this.#displays}.${mime_type === "image/svg+xml" ? "svg" : mime_type.slice("image/".length)}`;
    try {
      const saved = await this.#ports.saveFile({ name, mimeType: mime_type, bytesMax: frame.body.length }, once(frame.body));
      this.stored.push({ name, bytes: saved.bytes, sha256: saved.sha256 });
      await this.#add({ ...shown, file_id: saved.file_id, url: saved.url, bytes: saved.bytes });
    } catch (error) {
      this.#skip(name, whyNotStored(error));
    }
  }

  #fits({ bytes, values }: OutFrame): boolean {
    this.#displays += 1;
    this.#displaysBytes += bytes;
    this.#displaysValues += values;
    const { outputsCountMax, displayBytesMax, displaysBytesMax, displayValuesMax, displaysValuesMax } = this.#bounds;
    return (
      this.#displays <= outputsCountMax &&
      bytes <= displayBytesMax &&
      this.#displaysBytes <= displaysBytesMax &&
      values <= displayValuesMax &&
      this.#displaysValues <= displaysValuesMax
    );
  }

  async error(frame: OutFrame): Promise<void> {
    this.#errors += 1;
    this.#errorsBytes += frame.bytes;
    const { displayBytesMax, tracebackLinesMax } = this.#bounds;
    const fits =
      this.#errors <= ERRORS_MAX && this.#errorsBytes <= displayBytesMax && frame.values <= tracebackLinesMax + ERROR_VALUES_SLACK;
    const found = fits ? parseErrorOutput(frame.head) : null;
    if (found === null) {
      this.truncated.outputs = true;
      return;
    }
    this.errno = found.errno;
    await this.#add(found.raised);
  }

  /**
   * Stores one file while its chunks arrive from `receive`. Resolves once the file's last frame is read, whether or not the
   * file was stored. Rejects with WireError when the frames are not a file.
   */
  async file(first: OutFrame, receive: () => Promise<OutFrame | null>): Promise<void> {
    const { name, change } = first.head;
    if (typeof name !== "string" || (change !== "created" && change !== "modified"))
      throw new WireError("file frame without name or change");
    const chunks = new FileChunks(receive, Math.min(this.#bounds.fileOutBytesMax, this.#bounds.filesOutBytesMax - this.bytes.files));
    const problem = fileNameProblem(name) ?? (this.#files >= this.#bounds.filesOutCountMax ? "more files than may be kept" : null);
    if (problem !== null) {
      this.#skip(name, problem);
      return chunks.drain();
    }
    this.#files += 1;
    try {
      const saved = await this.#ports.saveFile({ name, bytesMax: this.#bounds.fileOutBytesMax }, chunks);
      this.bytes.files += saved.bytes;
      this.stored.push({ name, bytes: saved.bytes, sha256: saved.sha256 });
      await this.#add({ type: "file", ...saved, name, change });
    } catch (error) {
      if (error instanceof WireError) throw error;
      this.#skip(name, chunks.problem ?? whyNotStored(error));
      await chunks.drain();
    }
  }

  /** Adds the files that the runner itself skipped. */
  skippedByRunner(list: unknown): void {
    if (!Array.isArray(list)) return;
    for (const entry of list) {
      if (typeof entry?.name === "string" && typeof entry?.reason === "string") this.#skip(entry.name, entry.reason);
    }
  }

  #skip(name: string, reason: string): void {
    this.truncated.files = true;
    if (this.skippedFiles.length >= SKIPPED_FILES_MAX) return;
    this.skippedFiles.push({
      name: name.slice(0, SKIPPED_TEXT_CHARS_MAX).toWellFormed(),
      reason: reason.slice(0, SKIPPED_TEXT_CHARS_MAX).toWellFormed(),
    });
  }

  async #addText(piece: TextOutput | null): Promise<void> {
    if (piece === null) return;
    await this.#ports.emit(piece);
    const joined = this.#textToJoin(piece.stream);
    if (joined === undefined) {
      const begun = { ...piece };
      this.#texts += 1;
      this.#lastTexts[piece.stream] = begun;
      this.#outputs.push(begun);
      return;
    }
    joined.text += piece.text;
    if (piece.invalid_utf8 === true) joined.invalid_utf8 = true;
  }

  /**
   * The last output, when it is text of the same stream. Code that alternates between both streams could make a list of
   * millions. Above the bound, text joins the last text of its stream, and only the order between the streams is lost.
   */
  #textToJoin(stream: TextOutput["stream"]): TextOutput | undefined {
    const last = this.#lastTexts[stream];
    return last === this.#outputs.at(-1) || this.#texts >= TEXTS_MAX ? last : undefined;
  }

  async #add(output: Output): Promise<void> {
    this.#outputs.push(output);
    await this.#ports.emit(output);
  }
}

/** The chunks of one file as a stream of bytes. Fails when the file is too large or incomplete. */
class FileChunks implements AsyncIterable<Uint8Array> {
  problem: string | null = null;
  readonly #receive: () => Promise<OutFrame | null>;
  #room: number;
  #ended = false;

  constructor(receive: () => Promise<OutFrame | null>, bytesMax: number) {
    this.#receive = receive;
    this.#room = bytesMax;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      this.#room -= chunk.length;
      if (this.#room < 0) throw this.#fail("larger than may be kept");
      yield chunk;
    }
  }

  /** Reads to the end of the file and discards the bytes. */
  async drain(): Promise<void> {
    while (!this.#ended) await this.#next().catch(this.#rethrowWireError);
  }

  async #next(): Promise<Uint8Array | null> {
    if (this.#ended) return null;
    const frame = await this.#receive();
    if (frame?.kind === "chunk") return frame.body;
    this.#ended = true;
    if (frame === null) throw this.#fail("cut: the sandbox ended");
    if (frame.kind !== "file_end") throw new WireError(`${frame.kind} frame inside a file`);
    if (frame.head.complete !== true) throw this.#fail("changed or could not be read while it was collected");
    return null;
  }

  #fail(problem: string): Error {
    this.problem = problem;
    return new Error(`file ${problem}`);
  }

  #rethrowWireError = (error: unknown): void => {
    if (error instanceof WireError) throw error;
  };
}

function whyNotStored(error: unknown): string {
  const full = error instanceof ServiceError && error.code === "organization_storage_full";
  return full ? "the organization has stored as much as it may" : "could not be stored";
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
