/**
 * Bytes of a blob. Chunks are borrowed: valid only until the next read, because the buffer is reused. Reading to the end or
 * breaking out of the loop closes the blob; call `close` only when nothing is read.
 */
export interface BorrowedChunks extends AsyncIterable<Uint8Array> {
  close(): Promise<void>;
}

/** Stores bytes under an id, as streams: a file is never in memory as a whole. */
export interface BlobStore {
  /** Stores a stream completely or not at all. Rejects with BlobTooLarge above `bytesMax`. */
  put(id: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }>;
  /** Bytes `start` to `end` inclusive (all by default); null when there is no such blob. */
  get(id: string, range?: { start: number; end: number }): Promise<BorrowedChunks | null>;
  delete(id: string): Promise<void>;
  /** Deletes older blobs; resolves with their number. */
  sweep(olderThanMs: number): Promise<number>;
  /** A URL that serves the bytes with these headers, without a key; null when the store has no such links. */
  link?(id: string, headers: LinkHeaders): Promise<string | null>;
}

export interface LinkHeaders {
  contentType: string;
  contentDisposition: string;
  cacheControl: string;
}

export class BlobTooLarge extends Error {
  override name = "BlobTooLarge";
}

/** The store itself failed (disk full, folder gone, network), as opposed to the source of the bytes. */
export class BlobStoreFailed extends Error {
  override name = "BlobStoreFailed";
}

/** The record of a file; it expires with the blob. */
export interface FileRecord {
  id: string;
  organization: string;
  name: string;
  mimeType: string;
  bytes: number;
  sha256: string;
  purpose: string;
  /** Execution that produced it; null for uploads. */
  executionId: string | null;
  /** Unix milliseconds. */
  createdAt: number;
  expiresAt: number;
}
