import type { Readable } from "node:stream";
import busboy from "busboy";
import type { Request } from "express";
import { ServiceError } from "../../domain/errors.ts";
import { fileNameProblem } from "../../domain/request.ts";
import type { Files, Received } from "../../files/files.ts";
import { BlobTooLarge } from "../../files/store.ts";
import { uploadPurposes } from "./file-view.ts";

export interface Upload {
  name: string;
  purpose: string;
  /** From `expires_after`; absent when the form does not say. */
  keptMs?: number;
  received: Received;
}

const PURPOSE = "purpose";
const EXPIRY_ANCHOR = "expires_after[anchor]";
const EXPIRY_SECONDS = "expires_after[seconds]";
/** The bounds of the public Files API. */
export const expirySeconds = { min: 3_600, max: 2_592_000 };

/** Room for the form around the file, when only the length of the whole is known. */
const FORM_BYTES_MAX = 64 * 1024;

/**
 * Reads a multipart form whose field `file` goes straight to the store. Rejects with ServiceError, and then
 * nothing of the upload is left, whoever broke it off.
 */
export async function readUpload(request: Request, files: Files, bytesMax: number): Promise<Upload> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax + FORM_BYTES_MAX) throw tooLarge(bytesMax);
  const form = new Form(files, bytesMax);
  const parser = makeParser(request);
  parser.on("file", (field, stream, info) => form.takeFile(field, stream, info.filename));
  parser.on("field", (field, value, info) => form.takeField(field, value, info.valueTruncated));
  for (const event of ["partsLimit", "filesLimit", "fieldsLimit"])
    parser.once(event, () => form.refuse(malformed("The form has too many parts.")));
  form.onRefused = () => parser.destroy();
  try {
    await readToEnd(request, parser);
  } catch (error) {
    form.refuse(malformed("The multipart form is broken or ended early.", error));
  }
  return form.result();
}

/**
 * The parts of a form as they come. The first fault decides the answer, and later parts are ignored: the parser still
 * reports those of the chunk that it holds, and a file that it reports after it was destroyed never ends.
 */
class Form {
  readonly #files: Files;
  readonly #bytesMax: number;
  #problem: ServiceError | null = null;
  #name: string | null = null;
  readonly #fields = new Map<string, string>();
  #storing: Promise<Received | null> | null = null;
  onRefused: () => void = () => {};

  constructor(files: Files, bytesMax: number) {
    this.#files = files;
    this.#bytesMax = bytesMax;
  }

  takeFile(field: string, stream: Readable, name: string | undefined): void {
    // A form that breaks off ends this stream with an error, whether or not anybody still reads it.
    stream.on("error", () => {});
    const problem = this.#problem ?? this.#problemOfFile(field, name);
    if (problem !== null) {
      stream.resume();
      this.refuse(problem);
      return;
    }
    this.#name = name as string;
    this.#storing = this.#files.receive(stream, this.#bytesMax).catch((error: unknown) => {
      this.refuse(error instanceof BlobTooLarge ? tooLarge(this.#bytesMax) : error);
      return null;
    });
  }

  takeField(field: string, value: string, truncated: boolean): void {
    if (this.#problem !== null) return;
    const problem = problemOfField(field, truncated ? "" : value);
    if (problem !== null) this.refuse(problem);
    else this.#fields.set(field, value);
  }

  refuse(error: unknown): void {
    if (this.#problem !== null) return;
    this.#problem = error instanceof ServiceError ? error : new ServiceError("storage_unavailable", { cause: error });
    this.onRefused();
  }

  async result(): Promise<Upload> {
    const received = await this.#storing;
    if (this.#problem === null && this.#fields.has(EXPIRY_ANCHOR) !== this.#fields.has(EXPIRY_SECONDS)) {
      this.#problem = invalid("expires_after", "must have both anchor and seconds");
    }
    if (this.#problem !== null) {
      if (received !== null) await this.#files.discard(received);
      throw this.#problem;
    }
    if (received === null || this.#name === null) throw invalid("file", "is required");
    const seconds = this.#fields.get(EXPIRY_SECONDS);
    return {
      name: this.#name,
      purpose: this.#fields.get(PURPOSE) ?? uploadPurposes[0],
      ...(seconds === undefined ? {} : { keptMs: Number(seconds) * 1000 }),
      received,
    };
  }

  #problemOfFile(field: string, name: string | undefined): ServiceError | null {
    if (field !== "file") return unknownPart();
    if (this.#storing !== null) return invalid("file", "must be given once");
    const problem = fileNameProblem(name ?? "");
    return problem === null ? null : invalid("file", `the filename ${problem}`);
  }
}

function problemOfField(field: string, value: string): ServiceError | null {
  if (field === "file") return invalid("file", "must be a file with a filename");
  if (field === EXPIRY_ANCHOR) return value === "created_at" ? null : invalid(EXPIRY_ANCHOR, "must be created_at");
  if (field === EXPIRY_SECONDS) {
    const { min, max } = expirySeconds;
    const inRange = /^\d{1,7}$/.test(value) && Number(value) >= min && Number(value) <= max;
    return inRange ? null : invalid(EXPIRY_SECONDS, `must be a whole number from ${min} to ${max}`);
  }
  if (field !== PURPOSE) return unknownPart();
  if ((uploadPurposes as readonly string[]).includes(value)) return null;
  return invalid(PURPOSE, `must be one of ${uploadPurposes.join(", ")}`);
}

function makeParser(request: Request): busboy.Busboy {
  if (!/^multipart\/form-data\s*;/i.test(request.headers["content-type"] ?? "")) {
    throw new ServiceError("unsupported_media_type", { detail: "Send the file as multipart/form-data." });
  }
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: "utf8",
      limits: { files: 2, fields: 8, parts: 10, fieldSize: 1024, fieldNameSize: 100, headerPairs: 20 },
    });
  } catch (error) {
    throw malformed("The multipart form has no boundary.", error);
  }
}

/**
 * Resolves when the form was read. The request itself is never destroyed, because its socket has to carry the
 * answer; what is left of the body is read and dropped.
 */
function readToEnd(request: Request, parser: busboy.Busboy): Promise<void> {
  return new Promise((resolve, reject) => {
    const onRequestClosed = () => {
      if (!request.complete) parser.destroy(new Error("the caller went away"));
    };
    const settle = (error?: unknown) => {
      request.unpipe(parser);
      request.resume();
      request.off("close", onRequestClosed);
      if (error === undefined) resolve();
      else reject(error);
    };
    request.once("close", onRequestClosed);
    request.on("error", onRequestClosed);
    parser.on("error", settle);
    parser.once("close", () => settle());
    request.pipe(parser);
  });
}

function malformed(detail: string, cause?: unknown): ServiceError {
  return new ServiceError("malformed_request", { detail, cause });
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}

function unknownPart(): ServiceError {
  return new ServiceError("unknown_field", { detail: "The form takes the fields `file`, `purpose` and `expires_after` only." });
}

function tooLarge(bytesMax: number): ServiceError {
  return new ServiceError("file_too_large", { detail: `\`file\`: must have at most ${bytesMax} bytes.`, param: "file" });
}
