import { randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { z } from "zod";

const ed25519 = { kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string().length(43) };
const privateKeys = z.object({
  keys: z.array(z.object({ ...ed25519, d: z.string().length(43), kid: z.string().min(1).optional() })).min(1),
});

export const publicKey = z.object({ ...ed25519, kid: z.string(), alg: z.literal("EdDSA"), use: z.literal("sig") }).strict();
export type PublicKey = z.infer<typeof publicKey>;

export interface SigningKeys {
  /** Signs. */
  private: JWK & { kid: string };
  /** All that have signed, the one that signs first. */
  public: PublicKey[];
}

/**
 * The keys that sign receipts: a JWK set of Ed25519 keys, of which the first signs and all are published, so that a new
 * one is put before the old. A file that is not there is made, for its owner alone. Throws with what is wrong with one that is.
 */
export async function openSigningKeys(path: string): Promise<SigningKeys> {
  const found = await read(path);
  const text =
    found ??
    (await make(path).catch((error: unknown) => {
      throw new Error(`RECEIPT_KEY_FILE: ${path} is not there and can not be made`, { cause: error });
    }));
  const parsed = privateKeys.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(`RECEIPT_KEY_FILE: ${path} must be a JWK set of private Ed25519 keys`);
  const keys = await Promise.all(parsed.data.keys.map(async (key) => ({ ...key, kid: key.kid ?? (await calculateJwkThumbprint(key)) })));
  return {
    private: keys[0] as SigningKeys["private"],
    public: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, alg: "EdDSA", use: "sig" })),
  };
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Several processes may start at once on one folder: the first file that is whole stays, and everybody reads that. */
async function make(path: string): Promise<string> {
  const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
  const jwk = await exportJWK(privateKey);
  const set = { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk) }] };
  await mkdir(dirname(path), { recursive: true });
  const whole = `${path}.${randomUUID()}`;
  try {
    await writeFile(whole, `${JSON.stringify(set, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await chmod(whole, 0o600);
    await link(whole, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(whole, { force: true });
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
