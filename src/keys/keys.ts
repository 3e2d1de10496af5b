import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { newId, organizationPattern } from "../domain/ids.ts";
import { type FileState, WatchedFile } from "../util/watched-file.ts";

/**
 * API keys: `ci_sk_<id>_<secret>`. The file holds the SHA-256 of the secret. A slow password hash would add nothing: the
 * secret is 256 random bits, which no dictionary or rainbow table covers, and every request pays for the check.
 */
export const scopes = ["execute", "read", "admin"] as const;
export type Scope = (typeof scopes)[number];

const KEY_TEXT = /^ci_sk_([0-9a-z]{24})_([0-9a-f]{64})$/;

const storedKey = z.strictObject({
  id: z.string().regex(/^key_[0-9a-z]{24}$/),
  organization: z.string().regex(organizationPattern),
  scopes: z.array(z.enum(scopes)).min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.number().int(),
  name: z.string().optional(),
});
const storedKeys = z.array(storedKey);
type StoredKey = z.infer<typeof storedKey>;

/** The owner of a valid key. */
export interface Caller {
  keyId: string;
  organization: string;
  scopes: ReadonlySet<Scope>;
}

export interface NewKey {
  organization: string;
  scopes: readonly Scope[];
  name?: string;
}

/** The keys of a file. Reloads them when the file has changed. */
export class KeyFile {
  readonly #file: WatchedFile<Map<string, StoredKey>>;

  /** Throws when the file exists and is not a key file. A missing file has no keys yet. */
  constructor(path: string, onUnreadable: (error: unknown) => void) {
    let starting = true;
    const onBroken = (error: unknown) => {
      if (starting) throw error;
      onUnreadable(error);
    };
    this.#file = new WatchedFile(path, new Map<string, StoredKey>(), (text) => byId(parseKeys(text)), onBroken);
    void this.#file.value;
    starting = false;
  }

  /** Returns the caller of a key; null when the text is not a valid key. The next request with a revoked key is refused. */
  find(text: string): Caller | null {
    const keys = this.#file.state === "missing" ? noKeys : this.#file.value;
    const match = KEY_TEXT.exec(text);
    if (match === null) return null;
    const key = keys.get(`key_${match[1]}`);
    const expected = Buffer.from(key?.hash ?? "0".repeat(64), "hex");
    // Compared even when the id is unknown, so that the time reveals nothing about either part.
    const same = timingSafeEqual(hashOf(match[2] as string), expected);
    if (key === undefined || !same) return null;
    return { keyId: key.id, organization: key.organization, scopes: new Set(key.scopes) };
  }

  /** `missing`: no key is valid. `broken`: the keys of the last complete file stay valid. */
  get state(): FileState {
    return this.#file.state;
  }

  reload(): void {
    this.#file.forget();
  }
}

const noKeys: ReadonlyMap<string, StoredKey> = new Map();

/** Adds a key to the file and returns its text, which is not stored. */
export async function createKey(path: string, key: NewKey): Promise<string> {
  if (!organizationPattern.test(key.organization)) {
    throw new RangeError(`organization must match ${organizationPattern.source} (is ${JSON.stringify(key.organization)})`);
  }
  if (key.scopes.length === 0) throw new RangeError(`a key needs at least one scope of ${scopes.join(", ")}`);
  const id = newId("key");
  const secret = randomBytes(32).toString("hex");
  await changeKeys(path, (keys) => [
    ...keys,
    {
      id,
      organization: key.organization,
      scopes: [...new Set(key.scopes)],
      hash: hashOf(secret).toString("hex"),
      created_at: Date.now(),
      ...(key.name === undefined ? {} : { name: key.name }),
    },
  ]);
  return `ci_sk_${id.slice("key_".length)}_${secret}`;
}

/** The id in a key's text; it is not secret. */
export function idOfKey(text: string): string {
  return `key_${KEY_TEXT.exec(text)?.[1] ?? ""}`;
}

/** Removes a key by its id; false when the id is unknown. */
export async function revokeKey(path: string, id: string): Promise<boolean> {
  let found = false;
  await changeKeys(path, (keys) => {
    found = keys.some((key) => key.id === id);
    return keys.filter((key) => key.id !== id);
  });
  return found;
}

/** The keys of the file without their hashes. */
export async function listKeys(path: string): Promise<Array<Omit<StoredKey, "hash">>> {
  return (await readKeys(path)).map(({ hash: _, ...shown }) => shown);
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function byId(keys: StoredKey[]): Map<string, StoredKey> {
  return new Map(keys.map((key) => [key.id, key]));
}

function parseKeys(text: string): StoredKey[] {
  return storedKeys.parse(JSON.parse(text));
}

async function readKeys(path: string): Promise<StoredKey[]> {
  try {
    return parseKeys(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/**
 * Replaces the file's content by a rename. The new file is created exclusively, so it is also the lock: concurrent changes
 * run one after another.
 */
async function changeKeys(path: string, change: (keys: StoredKey[]) => StoredKey[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const next = `${path}.new`;
  const handle = await openExclusively(next);
  try {
    await handle.writeFile(`${JSON.stringify(change(await readKeys(path)), null, 2)}\n`);
    await handle.sync();
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

const LOCK_STALE_MS = 10_000;
const LOCK_RETRY_MS = 20;

async function openExclusively(path: string) {
  for (;;) {
    try {
      return await open(path, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > LOCK_STALE_MS) await rm(path, { force: true });
    else await sleep(LOCK_RETRY_MS);
  }
}
