import { ServiceError } from "../domain/errors.ts";
import type { AppDeps } from "../http/core/deps.ts";
import { expireKey, idOfKey, listKeys, rotateKey } from "../keys/change-keys.ts";

type KeyUse = (ids: readonly string[]) => Promise<Map<string, number | null>>;

/** The keys of a file for operators, with their last use. */
export function adminKeysOf(path: string, readUse: KeyUse): AppDeps["adminKeys"] {
  const list = async () => {
    const keys = await listKeys(path);
    const used = await readUse(keys.map(({ id }) => id));
    return keys.map((key) => ({ ...key, lastUsedAt: used.get(key.id) ?? null }));
  };
  const find = async (id: string) => (await list()).find((key) => key.id === id) ?? null;
  return {
    list,
    async rotate(id, overlapMs) {
      const text = await changing(() => rotateKey(path, id, overlapMs));
      if (text === null) return null;
      const key = await find(idOfKey(text));
      return key === null ? null : { key, text };
    },
    expire: async (id, at) => ((await changing(() => expireKey(path, id, at))) ? find(id) : null),
  };
}

/** The file may be a mounted secret, which only its source can change. */
async function changing<T>(change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EROFS" && code !== "EACCES" && code !== "EPERM" && code !== "EBUSY") throw error;
    throw new ServiceError("keys_not_writable", {
      detail: "The api cannot write its key file. Change the keys where the file comes from, such as a Secret.",
      cause: error,
    });
  }
}
