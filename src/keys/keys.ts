import { timingSafeEqual } from "node:crypto";
import type { Limits } from "../domain/limits.ts";
import { limitsWith, strictest } from "../domain/organization-limits.ts";
import { type FileState, WatchedFile } from "../util/watched-file.ts";
import { hasExpired, hashOf, KEY_TEXT, parseKeys, type Scope, type StoredKey } from "./stored-key.ts";

/** The owner of a valid key. */
export interface Caller {
  keyId: string;
  organization: string;
  scopes: ReadonlySet<Scope>;
  /** Where it differs from the service's own limit. */
  requestsPerMinute?: number;
}

interface Keys {
  byId: ReadonlyMap<string, StoredKey>;
  /** Keys with limits, by organization. */
  limited: ReadonlyMap<string, StoredKey[]>;
}

const noKeys: Keys = { byId: new Map(), limited: new Map() };

/** The keys of a file. Reloads them when the file has changed. */
export class KeyFile {
  readonly #file: WatchedFile<Keys>;
  /** By their JSON: callers compare the objects. */
  readonly #limits = new Map<string, Limits>();

  /** Throws when the file exists and is not a key file. A missing file has no keys yet. */
  constructor(path: string, onUnreadable: (error: unknown) => void) {
    let starting = true;
    const onBroken = (error: unknown) => {
      if (starting) throw error;
      onUnreadable(error);
    };
    this.#file = new WatchedFile(path, noKeys, (text) => indexed(parseKeys(text)), onBroken);
    void this.#file.value;
    starting = false;
  }

  /** Returns the caller of a key; null when the text is not a valid key. The next request with a revoked key is refused. */
  find(text: string): Caller | null {
    const match = KEY_TEXT.exec(text);
    const { byId } = this.#keys;
    if (match === null) return null;
    const key = byId.get(`key_${match[1]}`);
    const expected = Buffer.from(key?.hash ?? "0".repeat(64), "hex");
    // Compared even when the id is unknown, so that the time reveals nothing about either part.
    const same = timingSafeEqual(hashOf(match[2] as string), expected);
    if (key === undefined || !same || hasExpired(key, Date.now())) return null;
    const rate = key.limits?.requests_per_minute;
    return {
      keyId: key.id,
      organization: key.organization,
      scopes: new Set(key.scopes),
      ...(rate === undefined ? {} : { requestsPerMinute: rate }),
    };
  }

  /** The limits that hold for an organization: the service's, and in their place those of its valid keys. */
  limitsOf(organization: string, general: Limits): Limits {
    const keys = this.#keys.limited.get(organization);
    if (keys === undefined) return general;
    const own = strictest(keys.filter((key) => !hasExpired(key, Date.now())).map(({ limits = {} }) => limits));
    const text = JSON.stringify(own);
    const limits = this.#limits.get(text) ?? limitsWith(general, own);
    this.#limits.set(text, limits);
    return limits;
  }

  /** Organizations that have limits of their own. */
  get limitedOrganizations(): string[] {
    return [...this.#keys.limited.keys()];
  }

  /** `missing`: no key is valid. `broken`: the keys of the last complete file stay valid. */
  get state(): FileState {
    return this.#file.state;
  }

  reload(): void {
    this.#file.forget();
  }

  get #keys(): Keys {
    return this.#file.state === "missing" ? noKeys : this.#file.value;
  }
}

function indexed(keys: StoredKey[]): Keys {
  const limited = new Map<string, StoredKey[]>();
  for (const key of keys.filter(({ limits }) => limits !== undefined))
    limited.set(key.organization, [...(limited.get(key.organization) ?? []), key]);
  return { byId: new Map(keys.map((key) => [key.id, key])), limited };
}
