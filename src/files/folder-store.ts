import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, opendir, rename, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ensureBlobId } from "./blob-id.ts";
import { type BlobStore, BlobStoreFailed, BlobTooLarge, type BorrowedChunks } from "./store.ts";

/**
 * Each read and write is a trip through a thread, which costs more than copying does; and every stalled download holds this much,
 * every upload twice as much: what is being written, and what has come since.
 */
const BLOCK_BYTES = 512 * 1024;
/** However small they are: a chunk costs memory beside its bytes. */
const CHUNKS_HELD_MAX = 1024;

/**
 * Blobs in a folder: `<root>/<two last characters of the id>/<id>`, so that no folder holds more than a
 * thousandth of them. A blob is written under a temporary name and renamed, so it is there whole or not at all.
 * It is not synced: records live a day in a Redis that itself may lose its last second, and a sync for each file
 * would cost more than most executions.
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
      await ownFailure(async () => {
        await mkdir(join(path, ".."), { recursive: true });
        await rename(temporary, path);
      });
      return stored;
    } catch (error) {
      // What can not be removed now is removed by the sweep; the first failure is the one to tell.
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
      throw new BlobStoreFailed("a blob can not be opened", { cause: error });
    }
    return { close: () => handle.close(), [Symbol.asyncIterator]: () => lend(handle, range) };
  }

  async delete(id: string): Promise<void> {
    const path = this.#pathOf(id);
    await ownFailure(() => rm(path, { force: true }));
  }

  async sweep(olderThanMs: number): Promise<number> {
    const before = Date.now() - olderThanMs;
    return ownFailure(() => sweepFolder(this.#root, before));
  }

  async #write(path: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }> {
    const handle = await ownFailure(async () => {
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
        writing = ownFailure(() => writeWhole(handle, block, blockBytes));
        // Told at the next block, or at the end.
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
      // Some file systems say only here that the disk is full.
      await ownFailure(() => handle.close());
    }
  }

  #pathOf(id: string): string {
    return join(this.#root, ensureBlobId(id).slice(-2), id);
  }
}

/** A disk that is nearly full may take a part first and fail at the rest. */
async function writeWhole(handle: FileHandle, chunks: Uint8Array[], bytes: number): Promise<void> {
  const { bytesWritten } = await handle.writev(chunks);
  if (bytesWritten < bytes) await handle.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}

/**
 * All of it through the same memory: for every 64 MiB of new buffers V8 looks through its whole heap for what it could free,
 * which costs more than reading them.
 */
async function* lend(handle: FileHandle, { start = 0, end = Number.POSITIVE_INFINITY } = {}): AsyncGenerator<Uint8Array> {
  try {
    const { size } = await ownFailure(() => handle.stat());
    const stop = Math.min(end + 1, size);
    const block = Buffer.allocUnsafeSlow(Math.max(0, Math.min(BLOCK_BYTES, stop - start)));
    for (let at = start; at < stop; ) {
      const { bytesRead } = await ownFailure(() => handle.read(block, 0, Math.min(block.length, stop - at), at));
      if (bytesRead === 0) return;
      at += bytesRead;
      yield block.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Names what fails in here as the store's failure; what the source throws passes as it is. */
async function ownFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new BlobStoreFailed("the blob folder can not be used", { cause: error });
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

/** Another process may sweep the same folder: what is gone already is no failure, and not counted. */
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
