import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../../src/domain/ids.ts";
import { FolderStore } from "../../../src/files/folder-store.ts";
import { openS3Store } from "../../../src/files/s3-store.ts";
import { type BlobStore, BlobStoreFailed, BlobTooLarge, type BorrowedChunks } from "../../../src/files/store.ts";
import { gather } from "../../support/checks/gather.ts";
import { startS3, type TestS3 } from "../../support/servers/s3.ts";

async function* chunks(...parts: Array<string | Uint8Array | Error>): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield typeof part === "string" ? Buffer.from(part) : part;
  }
}

/** Paths of the files that this process has open. */
function openPaths(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // The descriptor that was used to read the folder.
      return [];
    }
  });
}

/** The contract of every blob store. `names` lists everything that is stored, including partial writes. */
function contract(name: string, open: () => Promise<{ store: BlobStore; names(): Promise<string[]>; close(): Promise<void> }>): void {
  describe(`${name} fulfils the contract of BlobStore`, () => {
    let store: BlobStore;
    let names: () => Promise<string[]>;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store, names, close } = await open());
    });
    afterEach(() => close());
    const read = async (id: string, range?: { start: number; end: number }) => {
      const borrowed = await store.get(id, range);
      return borrowed === null ? null : (await gather(borrowed)).toString("latin1");
    };

    test("returns the bytes, their count and their SHA-256", async () => {
      const bytes = randomBytes(12_000_003);
      const id = newId("file");
      const kept = await store.put(id, chunks(bytes.subarray(0, 7), bytes.subarray(7, 500_000), bytes.subarray(500_000)), 2e7);
      expect(kept).toEqual({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
      expect(await read(id)).toBe(bytes.toString("latin1"));
    });

    test("returns a range, both ends included", async () => {
      const id = newId("file");
      await store.put(id, chunks("0123456789"), 10);
      expect(await read(id, { start: 0, end: 2 })).toBe("012");
      expect(await read(id, { start: 4, end: 4 })).toBe("4");
      expect(await read(id, { start: 3, end: 9 })).toBe("3456789");
    });

    test("stores an empty blob", async () => {
      const id = newId("file");
      expect((await store.put(id, chunks(), 0)).bytes).toBe(0);
      expect(await read(id)).toBe("");
    });

    test("accepts exactly the limit, and refuses one byte more without leaving anything", async () => {
      const id = newId("file");
      expect((await store.put(id, chunks("12345"), 5)).bytes).toBe(5);
      await expect(store.put(newId("file"), chunks("123", "456"), 5)).rejects.toThrow(BlobTooLarge);
      expect(await names()).toEqual([id]);
    });

    test("passes on the source's error without leaving anything", async () => {
      const error = new Error("the sender is gone");
      await expect(store.put(newId("file"), chunks("some", error), 100)).rejects.toBe(error);
      expect(await names()).toEqual([]);
    });

    test("leaves nothing of a large blob that is too large or fails near its end", async () => {
      const most = Array.from({ length: 11 }, () => randomBytes(1024 * 1024));
      await expect(store.put(newId("file"), chunks(...most), 11 * 1024 * 1024 - 1)).rejects.toThrow(BlobTooLarge);
      const error = new Error("the sender is gone");
      await expect(store.put(newId("file"), chunks(...most, error), 2e7)).rejects.toBe(error);
      expect(await names()).toEqual([]);
    });

    test.each(["../x", "a/b", "", "..", "file_\0"])("refuses the id %j", async (id) => {
      await expect(store.get(id)).rejects.toThrow(RangeError);
      await expect(store.put(id, chunks("x"), 1)).rejects.toThrow(RangeError);
      await expect(store.delete(id)).rejects.toThrow(RangeError);
    });

    test("has nothing under other ids, and deletes idempotently", async () => {
      const id = newId("file");
      expect(await read(id)).toBeNull();
      await store.put(id, chunks("x"), 1);
      await store.delete(id);
      await store.delete(id);
      expect(await read(id)).toBeNull();
      expect(await names()).toEqual([]);
    });

    test("keeps concurrent blobs apart", async () => {
      const ids = Array.from({ length: 20 }, () => newId("file"));
      await Promise.all(ids.map((id) => store.put(id, chunks(id.slice(0, 9), id.slice(9)), 100)));
      for (const id of ids) expect(await read(id)).toBe(id);
    });

    test("does not sweep new blobs", async () => {
      await store.put(newId("file"), chunks("x"), 1);
      expect(await store.sweep(60_000)).toBe(0);
      expect(await names()).toHaveLength(1);
    });
  });
}

let folder: string;
const openFolder = async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-blobs-"));
  const root = join(folder, "blobs");
  const names = async () => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  };
  return { store: new FolderStore(root), root, names, close: () => rm(folder, { recursive: true, force: true }) };
};
contract("FolderStore", openFolder);

describe("FolderStore", () => {
  // Not in the contract, because the S3 server of the tests treats an end of 0 as no end.
  test("returns only the first byte", async () => {
    const { store, close } = await openFolder();
    const id = newId("file");
    await store.put(id, chunks("0123"), 4);
    expect((await gather(await store.get(id, { start: 0, end: 0 }))).toString()).toBe("0");
    await close();
  });

  test.each<[string, (borrowed: BorrowedChunks) => Promise<void>]>([
    ["read to its end", async (borrowed) => void (await gather(borrowed))],
    [
      "read partly",
      async (borrowed) => {
        for await (const _ of borrowed) break;
      },
    ],
    ["not read at all", (borrowed) => borrowed.close()],
  ])("closes a blob that was %s", async (_, use) => {
    const { store, close } = await openFolder();
    const id = newId("file");
    await store.put(id, chunks(randomBytes(1024 * 1024)), 1024 * 1024);
    const borrowed = await store.get(id);
    if (borrowed === null) throw new Error("the blob does not exist");
    expect(openPaths().some((path) => path.endsWith(id))).toBe(true);
    await use(borrowed);
    expect(openPaths().some((path) => path.endsWith(id))).toBe(false);
    await close();
  });

  test("sweeps old blobs and partial writes, and keeps the rest", async () => {
    const { store, root, names, close } = await openFolder();
    const [old, young] = [newId("file"), newId("file")];
    for (const id of [old, young]) await store.put(id, chunks("x"), 1);
    const abandoned = join(root, "incoming", "file_x.0");
    await writeFile(abandoned, "half");
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const path of [abandoned, join(root, old.slice(-2), old)]) await utimes(path, hourAgo, hourAgo);
    expect(await store.sweep(1_800_000)).toBe(2);
    expect(await names()).toEqual([young]);
    await close();
  });

  test("sweeps a folder that does not exist yet", async () => {
    expect(await new FolderStore("/nonexistent/blobs").sweep(0)).toBe(0);
  });

  test("distinguishes its own failure from the source's error", async () => {
    const { root, close } = await openFolder();
    await writeFile(root, "a file where the folder should be");
    await expect(new FolderStore(root).put(newId("file"), chunks("x"), 1)).rejects.toThrow(BlobStoreFailed);
    await close();
  });
});

describe("S3", () => {
  let s3: TestS3;
  let prefixes = 0;
  beforeAll(async () => {
    s3 = await startS3();
  });
  afterAll(() => s3.stop());
  const open = async (changes: Partial<Parameters<typeof openS3Store>[0]> = {}) => {
    const prefix = `blobs-${prefixes++}/`;
    const store = await openS3Store({ ...s3.settings, prefix, ...changes });
    return { store, prefix, names: () => s3.names(prefix), close: async () => undefined };
  };
  contract("S3Store", open);

  test("old blobs are swept, and other objects stay, even under our prefix", async () => {
    const { store, prefix, names } = await open();
    const ids = Array.from({ length: 12 }, () => newId("file"));
    for (const id of ids) await store.put(id, chunks("x"), 1);
    await s3.put(`${prefix}Somebody.txt`, "theirs");
    expect(await store.sweep(60_000)).toBe(0);
    expect(await store.sweep(-60_000)).toBe(12);
    expect(await names()).toEqual(["Somebody.txt"]);
  });

  test("a source is not read ahead while the server accepts nothing", async () => {
    const deaf = createServer().listen(0, "127.0.0.1");
    await once(deaf, "listening");
    const sockets = new Set<Socket>();
    deaf.on("connection", (socket) => sockets.add(socket.on("error", () => undefined)));
    const { port } = deaf.address() as AddressInfo;
    const { store } = await open({ endpoint: `http://127.0.0.1:${port}` });
    let read = 0;
    const endless = async function* () {
      for (;;) {
        read += 1024 * 1024;
        yield Buffer.alloc(1024 * 1024);
      }
    };
    const putting = store.put(newId("file"), endless(), 1e9);
    await expect.poll(() => sockets.size, { timeout: 20_000 }).toBeGreaterThan(0);
    deaf.close();
    for (const socket of sockets) socket.destroy();
    await expect(putting).rejects.toThrow(BlobStoreFailed);
    expect(read).toBeLessThan(20 * 1024 * 1024);
  });

  test("a server that is away or refuses the key is a failure of the store", async () => {
    for (const changes of [{ endpoint: "http://127.0.0.1:9" }, { accessKeyId: "nobody" }, { bucket: "no-such-bucket" }]) {
      const { store } = await open(changes);
      const id = newId("file");
      const calls = [() => store.put(id, chunks("x"), 1), () => store.get(id), () => store.delete(id), () => store.sweep(0)];
      for (const call of calls) await expect(call()).rejects.toThrow(BlobStoreFailed);
    }
  });

  test("a link serves the bytes without a key, as an attachment with the given type", async () => {
    const { store } = await open({ linkSeconds: 60 });
    const id = newId("file");
    await store.put(id, chunks("<script>alert(1)</script>"), 100);
    const headers = { contentType: "text/html", contentDisposition: 'attachment; filename="a.html"', cacheControl: "private, no-cache" };
    const link = (await store.link?.(id, headers)) ?? "";
    expect(new URL(link).searchParams.get("X-Amz-Expires")).toBe("60");
    const answer = await fetch(link);
    expect(await answer.text()).toBe("<script>alert(1)</script>");
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    expect(answer.headers.get("content-disposition")).toBe(headers.contentDisposition);
    expect(await (await open()).store.link?.(id, headers)).toBeNull();
  });
});
