import { expect, test } from "vitest";
import { countFailures } from "../../../src/files/count-failures.ts";
import { type BlobStore, BlobStoreFailed, BlobTooLarge } from "../../../src/files/store.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";

test("failures of the store are counted by operation, errors of a source are not, and both reach the caller", async () => {
  const metrics = makeMetrics();
  const refuse = (error: Error) => () => Promise.reject(error);
  const failing: BlobStore = {
    put: refuse(new BlobStoreFailed("disk full")),
    get: refuse(new Error("EIO")),
    delete: refuse(new Error("EIO")),
    sweep: async () => 3,
  };
  const store = countFailures(failing, metrics);
  await expect(store.put("a", [] as never, 1)).rejects.toThrow("disk full");
  await expect(store.get("a")).rejects.toThrow("EIO");
  await expect(store.delete("a")).rejects.toThrow("EIO");
  expect(await store.sweep(1)).toBe(3);
  await expect(countFailures({ ...failing, put: refuse(new BlobTooLarge("large")) }, metrics).put("a", [] as never, 1)).rejects.toThrow(
    "large",
  );
  const { values } = await metrics.fileStoreFailures.get();
  expect(Object.fromEntries(values.map(({ labels, value }) => [labels.operation, value]))).toEqual({ put: 1, get: 1, delete: 1, sweep: 0 });
});
