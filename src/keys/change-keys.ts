import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, organizationPattern } from "../domain/ids.ts";
import { type OrganizationLimits, organizationLimits } from "../domain/organization-limits.ts";
import { hashOf, KEY_TEXT, parseKeys, type Scope, type StoredKey, scopes } from "./stored-key.ts";

export interface NewKey {
  organization: string;
  scopes: readonly Scope[];
  name?: string;
  /** Unix time, ms. */
  expiresAt?: number;
  limits?: OrganizationLimits;
}

/** A key as lists show it: without its hash. */
export type ListedKey = Omit<StoredKey, "hash">;

/** Adds a key to the file and returns its text, which is not stored. */
export async function createKey(path: string, key: NewKey): Promise<string> {
  if (!organizationPattern.test(key.organization)) {
    throw new RangeError(`organization must match ${organizationPattern.source} (is ${JSON.stringify(key.organization)})`);
  }
  if (key.scopes.length === 0) throw new RangeError(`a key needs at least one scope of ${scopes.join(", ")}`);
  const { stored, text } = makeKey(key);
  await changeKeys(path, (keys) => [...keys, stored]);
  return text;
}

/**
 * Makes a successor of a key: the same organization, scopes, name and limits, and the same lifetime if it has one. The old
 * key stays valid for `overlapMs`. Returns the text of the new key; null when the id is unknown or the key has expired.
 */
export async function rotateKey(path: string, id: string, overlapMs: number): Promise<string | null> {
  let text: string | null = null;
  await changeKeys(path, (keys) => {
    const now = Date.now();
    const old = keys.find((key) => key.id === id);
    if (old === undefined || (old.expires_at ?? Number.POSITIVE_INFINITY) <= now) return keys;
    const { organization, scopes, name, expires_at, created_at, limits } = old;
    const made = makeKey({
      organization,
      scopes,
      ...(name === undefined ? {} : { name }),
      ...(expires_at === undefined ? {} : { expiresAt: now + (expires_at - created_at) }),
      ...(limits === undefined ? {} : { limits }),
    });
    text = made.text;
    const expiring = { ...old, expires_at: Math.min(now + overlapMs, expires_at ?? Number.POSITIVE_INFINITY) };
    return [...keys.map((key) => (key === old ? expiring : key)), made.stored];
  });
  return text;
}

/** Sets the time from which a key is refused, in ms of Unix time. False when the id is unknown. */
export async function expireKey(path: string, id: string, at: number): Promise<boolean> {
  let found = false;
  await changeKeys(path, (keys) => {
    found = keys.some((key) => key.id === id);
    return keys.map((key) => (key.id === id ? { ...key, expires_at: at } : key));
  });
  return found;
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
export async function listKeys(path: string): Promise<ListedKey[]> {
  return (await readKeys(path)).map(({ hash: _, ...shown }) => shown);
}

function makeKey(key: NewKey): { stored: StoredKey; text: string } {
  const id = newId("key");
  const secret = randomBytes(32).toString("hex");
  const stored: StoredKey = {
    id,
    organization: key.organization,
    scopes: [...new Set(key.scopes)],
    hash: hashOf(secret).toString("hex"),
    created_at: Date.now(),
    ...(key.name === undefined ? {} : { name: key.name }),
    ...(key.expiresAt === undefined ? {} : { expires_at: key.expiresAt }),
    ...(key.limits === undefined ? {} : { limits: organizationLimits.parse(key.limits) }),
  };
  return { stored, text: `ci_sk_${id.slice("key_".length)}_${secret}` };
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
