import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, opendir, rename, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ensureBlobId } from "./blob-id.ts";
import { type BlobStore, BlobStoreFailed, BlobTooLarge, type BorrowedChunks } from "./store.ts";

/**
 * Large, because each read and write goes through a thread, which costs more than copying. Small, because every stalled download
 * holds one block, and every upload two: the one being written and the one being filled.
 */
const BLOCK_BYTES = 512 * 1024;
/** Bounds tiny chunks, which cost memory besides their bytes. */
const CHUNKS_HELD_MAX = 1024;

/**
 * Blobs in a folder: `<root>/<last two characters of the id>/<id>`, so that no folder holds more than a thousandth of them.
 * A blob is written under a temporary name and renamed, so it exists completely or not at all. Files are not synced: records
 * live for a day in a Redis that may itself lose its last second, and a sync per file would cost more than most executions.
 */
export class FolderStore implements BlobStore {
  readonly #root: string;
  readonly #incoming: string;

  constructor(root: string) {
    this.#root = root;
    this.#incoming = join(root, "incoming");
  }

  async put(id: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }> {
    const path = this.#pathOf(id);
    const temporary = join(this.#incoming, `${id}.${randomBytes(6).toString("hex")}`);
    try {
      const stored = await this.#write(temporary, source, bytesMax);
      await asStoreFailure(async () => {
        await mkdir(join(path, ".."), { recursive: true });
        await rename(temporary, path);
      });
      return stored;
    } catch (error) {
      // If this fails, the sweep removes the file later. The first error is the one to report.
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  }

  async get(id: string, range?: { start: number; end: number }): Promise<BorrowedChunks | null> {
    const path = this.#pathOf(id);
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw new BlobStoreFailed("a blob cannot be opened", { cause: error });
    }
    return { close: () => handle.close(), [Symbol.asyncIterator]: () => readBlocks(handle, range) };
  }

  async delete(id: string): Promise<void> {
    const path = this.#pathOf(id);
    await asStoreFailure(() => rm(path, { force: true }));
  }

  async sweep(olderThanMs: number): Promise<number> {
    const before = Date.now() - olderThanMs;
    return asStoreFailure(() => sweepFolder(this.#root, before));
  }

  async #write(path: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }> {
    const handle = await asStoreFailure(async () => {
      await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
      return open(path, "wx", 0o600);
    });
    let writing = Promise.resolve();
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      let pending: Uint8Array[] = [];
      let pendingBytes = 0;
      const writePending = async () => {
        const [block, blockBytes] = [pending, pendingBytes];
        pending = [];
        pendingBytes = 0;
        await writing;
        writing = asStoreFailure(() => writeAll(handle, block, blockBytes));
        // Thrown when the next block is written, or at the end.
        writing.catch(() => undefined);
      };
      for await (const chunk of source) {
        bytes += chunk.byteLength;
        if (bytes > bytesMax) throw new BlobTooLarge(`more than ${bytesMax} bytes`);
        hash.update(chunk);
        pending.push(chunk);
        pendingBytes += chunk.byteLength;
        if (pendingBytes >= BLOCK_BYTES || pending.length >= CHUNKS_HELD_MAX) await writePending();
      }
      if (pendingBytes > 0) await writePending();
      await writing;
      return { bytes, sha256: hash.digest("hex") };
    } finally {
      await writing.catch(() => undefined);
      // Some file systems report a full disk only on close.
      await asStoreFailure(() => handle.close());
    }
  }

  #pathOf(id: string): string {
    return join(this.#root, ensureBlobId(id).slice(-2), id);
  }
}

/** A nearly full disk may accept a part first and fail at the rest. */
async function writeAll(handle: FileHandle, chunks: Uint8Array[], bytes: number): Promise<void> {
  const { bytesWritten } = await handle.writev(chunks);
  if (bytesWritten < bytes) await handle.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}

/** Reuses one buffer: V8 collects its whole heap for every 64 MiB of new buffers, which costs more than the reads. */
async function* readBlocks(handle: FileHandle, { start = 0, end = Number.POSITIVE_INFINITY } = {}): AsyncGenerator<Uint8Array> {
  try {
    const { size } = await asStoreFailure(() => handle.stat());
    const stop = Math.min(end + 1, size);
    const block = Buffer.allocUnsafeSlow(Math.max(0, Math.min(BLOCK_BYTES, stop - start)));
    for (let at = start; at < stop; ) {
      const { bytesRead } = await asStoreFailure(() => handle.read(block, 0, Math.min(block.length, stop - at), at));
      if (bytesRead === 0) return;
      at += bytesRead;
      yield block.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Wraps errors of the store in BlobStoreFailed; errors of the source are not wrapped. */
async function asStoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new BlobStoreFailed("the blob folder cannot be used", { cause: error });
  }
}

async function sweepFolder(root: string, before: number): Promise<number> {
  let deleted = 0;
  for await (const shard of await openFolder(root)) {
    if (!shard.isDirectory()) continue;
    const folder = join(root, shard.name);
    for await (const entry of await openFolder(folder)) {
      if (entry.isFile() && (await deleteIfOlder(join(folder, entry.name), before))) deleted += 1;
    }
  }
  return deleted;
}

async function openFolder(path: string) {
  try {
    return await opendir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Another process may sweep the same folder: a missing file is not an error, and not counted. */
async function deleteIfOlder(path: string, before: number): Promise<boolean> {
  try {
    if ((await stat(path)).mtimeMs >= before) return false;
    await unlink(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
