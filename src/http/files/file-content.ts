import type { Request, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { Files } from "../../files/files.ts";
import { BlobStoreFailed, type FileRecord } from "../../files/store.ts";
import { callerGone } from "../core/caller-gone.ts";
import { stepAside } from "../core/turns.ts";
import { attachment } from "./content-disposition.ts";
import { type ByteRange, matchesTag, parseRange } from "./range.ts";

/** Answers with all bytes of a file or a single range, or redirects to a link of the store. */
export async function answerFileContent(files: Files, record: FileRecord, request: Request, response: Response): Promise<void> {
  const tag = `"${record.sha256}"`;
  setHeaders(response, record, tag);
  if (matchesTag(request.get("if-none-match"), tag)) {
    response.status(304).end();
    return;
  }
  const link = await files.link(record, {
    contentType: record.mimeType,
    contentDisposition: attachment(record.name),
    cacheControl: "private, no-cache",
  });
  if (link !== null && request.method !== "HEAD") {
    // The link works without a key, so it must not be cached.
    response.setHeader("Cache-Control", "no-store");
    response.redirect(302, link);
    return;
  }
  const ifRange = request.get("if-range");
  const range = ifRange === undefined || ifRange === tag ? parseRange(request.get("range"), record.bytes) : null;
  if (range === "unsatisfiable") throw unsatisfiable(response, record);
  stepAside(response);
  const bytes = await files.read(record, range ?? undefined);
  if (bytes === null) throw new ServiceError("file_not_found");
  setLength(response, record, range);
  response.setHeader("Content-Type", record.mimeType);
  response.setHeader("Content-Disposition", attachment(record.name));
  if (request.method === "HEAD") {
    await bytes.close();
    response.end();
    return;
  }
  const gone = callerGone(response);
  let left = range === null ? record.bytes : range.end - range.start + 1;
  try {
    for await (const chunk of bytes) {
      if (!(await sent(chunk, response, gone))) return;
      left -= chunk.length;
    }
    if (left !== 0) throw new BlobStoreFailed("a blob has another length than its record");
  } catch (error) {
    // Content-Length promised bytes that will not follow, so the connection cannot be used again.
    response.destroy();
    throw error;
  }
  response.end();
}

/** Resolves once the kernel has copied the chunk, whose memory is reused then. False when the caller has gone. */
function sent(chunk: Uint8Array, response: Response, gone: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const onGone = () => resolve(false);
    if (gone.aborted) return onGone();
    gone.addEventListener("abort", onGone, { once: true });
    response.write(chunk, (error) => {
      gone.removeEventListener("abort", onGone);
      resolve(error == null);
    });
  });
}

/** The bytes are untrusted: they come from callers and code. A browser must not run them in the service's origin. */
function setHeaders(response: Response, record: FileRecord, tag: string): void {
  response.setHeader("Content-Security-Policy", "sandbox; default-src 'none'");
  // The bytes of an id never change, but the file may be deleted, so a cached copy must be revalidated.
  response.setHeader("Cache-Control", "private, no-cache");
  response.setHeader("ETag", tag);
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("Last-Modified", new Date(record.createdAt).toUTCString());
}

function setLength(response: Response, record: FileRecord, range: ByteRange | null): void {
  if (range === null) {
    response.setHeader("Content-Length", record.bytes);
    return;
  }
  response.status(206);
  response.setHeader("Content-Range", `bytes ${range.start}-${range.end}/${record.bytes}`);
  response.setHeader("Content-Length", range.end - range.start + 1);
}

function unsatisfiable(response: Response, record: FileRecord): ServiceError {
  response.setHeader("Content-Range", `bytes */${record.bytes}`);
  return new ServiceError("range_not_satisfiable", { detail: `The file has ${record.bytes} bytes.` });
}
