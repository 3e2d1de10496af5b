import type { Metrics } from "../observe/metrics.ts";
import { type BlobStore, BlobStoreFailed } from "./store.ts";

/** Counts the failures of a store by operation. A source that fails or is too large is not a failure of the store. */
export function countFailures(store: BlobStore, { fileStoreFailures }: Metrics): BlobStore {
  const counted = async <T>(operation: "put" | "get" | "delete" | "sweep", work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (operation !== "put" || error instanceof BlobStoreFailed) fileStoreFailures.inc({ operation });
      throw error;
    }
  };
  const link = store.link?.bind(store);
  return {
    put: (...args) => counted("put", store.put(...args)),
    get: (...args) => counted("get", store.get(...args)),
    delete: (...args) => counted("delete", store.delete(...args)),
    sweep: (...args) => counted("sweep", store.sweep(...args)),
    ...(link === undefined ? {} : { link }),
  };
}
