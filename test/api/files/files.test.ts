import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../../src/domain/ids.ts";
import { makeLimits } from "../../../src/domain/limits.ts";
import { FileCatalog } from "../../../src/files/catalog.ts";
import { Files } from "../../../src/files/files.ts";
import { FolderStore } from "../../../src/files/folder-store.ts";
import type { FileRecord } from "../../../src/files/store.ts";
import { gather } from "../../support/checks/gather.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";

let server: TestRedis;
let redis: Redis;
let folder: string;
let catalog: FileCatalog;
let files: Files;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
  folder = await mkdtemp(join(tmpdir(), "ci-files-"));
  catalog = new FileCatalog(redis, "ci", RETENTION_MS);
  files = new Files({ store: new FolderStore(folder), catalog, limits: makeLimits(), publicUrl: "https://example.org/x/" });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const RETENTION_MS = 60_000;
const record = (more: Partial<FileRecord> = {}): FileRecord => ({
  id: newId("file"),
  organization: "org_a",
  name: "a.txt",
  mimeType: "text/plain",
  bytes: 1,
  sha256: "0".repeat(64),
  purpose: "user_data",
  executionId: null,
  createdAt: 1_000,
  expiresAt: 1_000 + RETENTION_MS,
  ...more,
});
const walk = async (order: "asc" | "desc", limit: number, onPage: (page: FileRecord[]) => Promise<void> = async () => {}) => {
  const seen: string[] = [];
  for (let after: string | undefined; ; after = seen.at(-1)) {
    const page = await catalog.list("org_a", { limit, order, ...(after === undefined ? {} : { after }) });
    if (page === null) throw new Error("the cursor was not taken");
    seen.push(...page.data.map((one) => one.id));
    await onPage(page.data);
    if (!page.hasMore) return seen;
  }
};

describe("the bytes of an organization's files", () => {
  const file = { name: "a.txt", purpose: "user_data", executionId: null, bytesMax: 100 };

  test("are refused at their bound without leaving anything; a deleted file makes room", async () => {
    const limits = makeLimits({ filesBytesPerOrganizationMax: 10 });
    const bounded = new Files({ store: new FolderStore(folder), catalog, limits, publicUrl: undefined });
    const first = await bounded.save("org_a", file, bytesOf("0123456789"));
    await expect(bounded.save("org_a", file, bytesOf("x"))).rejects.toMatchObject({ code: "organization_storage_full" });
    await bounded.save("org_b", file, bytesOf("x"));
    expect((await catalog.list("org_a", { limit: 10, order: "asc" }))?.data).toHaveLength(1);
    await bounded.delete("org_a", first.id);
    await bounded.save("org_a", file, bytesOf("x"));
  });
});

describe("FileCatalog", () => {
  test("gives every key an expiry and the organization", async () => {
    const mine = record({ executionId: newId("execution") });
    await catalog.add(mine);
    await catalog.own("org_a", newId("execution"), [mine.id]);
    await catalog.remove("org_a", mine.id);
    await catalog.add(record());
    const keys = await redis.keys("*");
    expect(keys.length).toBeGreaterThan(4);
    for (const key of keys) {
      expect(key).toMatch(/^ci:\{org_a\}:/);
      expect(await redis.pttl(key)).toBeGreaterThan(0);
    }
  });

  test.each([1, 2, 3, 7, 100])("lists files of one millisecond in pages of %i without losing or repeating one", async (limit) => {
    const made = Array.from({ length: 7 }, () => record());
    made.push(record({ createdAt: 999 }), record({ createdAt: 1_001 }));
    for (const one of made) await catalog.add(one);
    const up = await walk("asc", limit);
    expect(up).toHaveLength(made.length);
    expect(new Set(up)).toEqual(new Set(made.map((one) => one.id)));
    expect(await walk("desc", limit)).toEqual(up.toReversed());
  });

  test("can be listed by a caller that deletes files between pages", async () => {
    for (let i = 0; i < 7; i += 1) await catalog.add(record({ createdAt: 1_000 + (i >> 1) }));
    const seen = await walk("desc", 2, async (page) => {
      for (const one of page) await catalog.remove("org_a", one.id);
    });
    expect(seen).toHaveLength(7);
    expect(await walk("desc", 2)).toEqual([]);
  });

  test("skips records that have expired before their index entry", async () => {
    const [gone, there] = [record(), record()];
    for (const one of [gone, there]) await catalog.add(one);
    await redis.del(`ci:{org_a}:file:${gone.id}`);
    expect(await walk("asc", 1)).toEqual([there.id]);
  });

  test("still lists and counts the other files after one expires early", async () => {
    const createdAt = Date.now();
    const short = record({ createdAt, expiresAt: createdAt + 1 });
    const long = record({ createdAt, expiresAt: createdAt + RETENTION_MS });
    await catalog.add(long);
    await catalog.add(short);
    await expect.poll(() => catalog.get("org_a", short.id)).toBe(null);
    expect(await walk("asc", 10)).toEqual([long.id]);
    expect(await catalog.keptBytes("org_a")).toBe(2);
    for (const key of await redis.keys("ci:{org_a}:files*")) expect(await redis.pttl(key)).toBeGreaterThan(RETENTION_MS / 2);
  });

  test("drops index entries older than the retention when a file is added", async () => {
    await catalog.add(record());
    await catalog.add(record({ createdAt: 100_000, expiresAt: 160_000 }));
    expect(await redis.zcard("ci:{org_a}:files")).toBe(1);
  });

  test("filters by purpose across pages", async () => {
    for (let i = 0; i < 9; i += 1) await catalog.add(record({ createdAt: 1_000 + i, purpose: i % 3 === 0 ? "batch" : "vision" }));
    const page = await catalog.list("org_a", { limit: 2, order: "asc", purpose: "batch" });
    expect(page?.data.map((one) => one.createdAt)).toEqual([1_000, 1_003]);
    expect(page?.hasMore).toBe(true);
    const rest = await catalog.list("org_a", { limit: 2, order: "asc", purpose: "batch", after: page?.data[1]?.id ?? "" });
    expect([rest?.data.map((one) => one.createdAt), rest?.hasMore]).toEqual([[1_006], false]);
  });

  test("removes a file once when two callers do it at once", async () => {
    const one = record();
    await catalog.add(one);
    const removed = await Promise.all([catalog.remove("org_a", one.id), catalog.remove("org_a", one.id)]);
    expect(removed.filter((result) => result !== null)).toHaveLength(1);
  });

  test("shows no file of one organization to another", async () => {
    const one = record();
    await catalog.add(one);
    expect(await catalog.get("org_b", one.id)).toBeNull();
    expect(await catalog.remove("org_b", one.id)).toBeNull();
    expect(await catalog.list("org_b", { limit: 5, order: "asc", after: one.id })).toBeNull();
    expect((await catalog.list("org_b", { limit: 5, order: "asc" }))?.data).toEqual([]);
    expect(await catalog.get("org_a", one.id)).toEqual(one);
  });
});

describe("Files", () => {
  const run = { organization: "org_a", id: newId("execution") };
  const save = (name: string, organization = "org_a") =>
    files.save(organization, { name, purpose: "user_data", executionId: null, bytesMax: 100 }, bytesOf(name));

  test("gives a run its input files, and stores its output files", async () => {
    const input = await save("in.csv");
    const ports = files.portsOf(run);
    expect((await gather(await ports.openFile(input.id))).toString()).toBe("in.csv");

    const saved = await ports.saveFile({ name: "out/plot.png", bytesMax: 10 }, bytesOf("png"));
    expect(saved).toMatchObject({ url: `https://example.org/x/v1/files/${saved.file_id}/content`, mime_type: "image/png", bytes: 3 });
    expect(await files.get("org_a", saved.file_id)).toMatchObject({
      executionId: run.id,
      purpose: "assistants_output",
      name: "out/plot.png",
    });
  });

  test("gives a run no file of another organization", async () => {
    const foreign = await save("x", "org_b");
    await expect(files.portsOf(run).openFile(foreign.id)).rejects.toThrow("gone");
  });

  test("deletes with an execution the files that it made and that were tied to it", async () => {
    const made = await files.portsOf(run).saveFile({ name: "a", bytesMax: 1 }, bytesOf("a"));
    const [tied, free] = [await save("tied"), await save("free")];
    await files.own("org_a", run.id, [tied.id]);
    await files.deleteOwnedBy("org_b", run.id);
    expect(await files.get("org_a", made.file_id)).not.toBeNull();
    await files.deleteOwnedBy("org_a", run.id);
    expect(await files.getMany("org_a", [made.file_id, tied.id])).toEqual([null, null]);
    const left = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(left.map((entry) => entry.name)).toEqual([free.id]);
  });

  test("returns null for a record whose bytes were swept", async () => {
    const one = await save("x");
    await new FolderStore(folder).delete(one.id);
    expect(await files.read(one)).toBeNull();
  });

  test("reads a range", async () => {
    const one = await save("0123456789");
    expect((await gather(await files.read(one, { start: 2, end: 4 }))).toString()).toBe("234");
  });
});
