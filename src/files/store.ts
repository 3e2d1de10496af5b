/**
 * Bytes of a blob as they are read. A chunk is lent: its memory takes the next one, so whoever keeps it keeps a copy. `close`
 * is for who does not read at all; reading to the end, or breaking off, closes too.
 */
export interface BorrowedChunks extends AsyncIterable<Uint8Array> {
  close(): Promise<void>;
}

/** Bytes under an id. Streams only: a file is never whole in memory. */
export interface BlobStore {
  /** Stores a stream whole or not at all. Rejects with BlobTooLarge past `bytesMax`. */
  put(id: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }>;
  /** Bytes `start` to `end` inclusive (all by default); null when there is no such blob. */
  get(id: string, range?: { start: number; end: number }): Promise<BorrowedChunks | null>;
  delete(id: string): Promise<void>;
  /** Deletes blobs older than the retention; returns how many. */
  sweep(olderThanMs: number): Promise<number>;
  /** An address that gives the bytes, with these headers, to whoever has it; null when the store hands out none. */
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

/** What is known of a file; kept beside the blob, expires with it. */
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
