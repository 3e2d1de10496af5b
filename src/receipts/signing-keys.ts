import { createHash, randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { z } from "zod";
import { type FileState, WatchedFile } from "../util/watched-file.ts";

const ed25519 = { kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string().length(43) };
const privateKeys = z.object({
  keys: z.array(z.object({ ...ed25519, d: z.string().length(43), kid: z.string().min(1).optional() })).min(1),
});

export const publicKey = z.object({ ...ed25519, kid: z.string(), alg: z.literal("EdDSA"), use: z.literal("sig") }).strict();
export type PublicKey = z.infer<typeof publicKey>;

export interface SigningKeys {
  /** Signs. */
  private: JWK & { kid: string };
  /** All keys that have signed receipts; the current one is first. */
  public: PublicKey[];
}

/**
 * Reads the keys that sign receipts: a JWK set of Ed25519 keys. The first key signs, and all are published; to rotate, put the
 * new key first. Creates a missing file with mode 0600. Throws when an existing file is invalid.
 */
export async function openSigningKeys(path: string): Promise<SigningKeys> {
  const found = await read(path);
  const text =
    found ??
    (await createKeyFile(path).catch((error: unknown) => {
      throw new Error(`RECEIPT_KEY_FILE: ${path} does not exist and cannot be created`, { cause: error });
    }));
  return parseSigningKeys(text, path);
}

/** The signing keys of a file, read again when it has changed. A file that is missing or broken later keeps the last keys. */
export class SigningKeyFile {
  readonly #file: WatchedFile<SigningKeys>;

  private constructor(file: WatchedFile<SigningKeys>) {
    this.#file = file;
  }

  static async open(path: string, onUnreadable: (error: unknown) => void): Promise<SigningKeyFile> {
    const first = await openSigningKeys(path);
    return new SigningKeyFile(new WatchedFile(path, first, (text) => parseSigningKeys(text, path), onUnreadable));
  }

  get keys(): SigningKeys {
    return this.#file.value;
  }

  get state(): FileState {
    return this.#file.state;
  }

  reload(): void {
    this.#file.forget();
  }
}

function parseSigningKeys(text: string, path: string): SigningKeys {
  const parsed = privateKeys.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(`RECEIPT_KEY_FILE: ${path} must be a JWK set of private Ed25519 keys`);
  const keys = parsed.data.keys.map((key) => ({ ...key, kid: key.kid ?? thumbprintOf(key) }));
  return {
    private: keys[0] as SigningKeys["private"],
    public: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, alg: "EdDSA", use: "sig" })),
  };
}

/** RFC 7638. jose computes it as well, but not at once. */
function thumbprintOf({ crv, kty, x }: { crv: string; kty: string; x: string }): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Several processes may start at once in one folder. The first complete file wins, and all processes read it. */
async function createKeyFile(path: string): Promise<string> {
  const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
  const jwk = await exportJWK(privateKey);
  const set = { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk) }] };
  await mkdir(dirname(path), { recursive: true });
  const complete = `${path}.${randomUUID()}`;
  try {
    await writeFile(complete, `${JSON.stringify(set, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await chmod(complete, 0o600);
    await link(complete, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(complete, { force: true });
  }
  return readFile(path, "utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
