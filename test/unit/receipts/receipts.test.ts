import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompactSign, importJWK } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import type { Receipt } from "../../../src/receipts/receipt.ts";
import { RECEIPT_TYPE, signReceipt } from "../../../src/receipts/receipt.ts";
import { openSigningKeys } from "../../../src/receipts/signing-keys.ts";
import { verifyReceipt } from "../../../src/receipts/verify.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-receipts-"));
  return () => rm(folder, { recursive: true, force: true });
});
const keyFile = () => join(folder, "keys", "receipt-keys.json");

const content: Receipt = {
  v: 2,
  execution: "ci_000000000000000000000000",
  organization: "org_a",
  container_id: null,
  status: "completed",
  cause: null,
  outcome: "ran",
  attempt: 1,
  created_at: 1,
  started_at: 2,
  completed_at: 3,
  code_sha256: "a".repeat(64),
  stdin_sha256: "b".repeat(64),
  args_sha256: "c".repeat(64),
  sandbox: { engine: "docker", image_digest: "sha256:1", runner_sha256: "d".repeat(64), seccomp_sha256: null },
  limits: null,
  inputs: [],
  outputs: [{ name: "a.csv", bytes: 3, sha256: "e".repeat(64) }],
  usage: null,
};

describe("signing keys", () => {
  test("are created once, with mode 0600, by any number of processes that start at once", async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openSigningKeys(keyFile())));
    expect(new Set(opened.map((keys) => keys.private.kid)).size).toBe(1);
    expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
    expect(await openSigningKeys(keyFile())).toEqual(opened[0]);
  });

  test("have no private part in their public set", async () => {
    const keys = await openSigningKeys(keyFile());
    const stored = JSON.parse(await readFile(keyFile(), "utf8")) as { keys: [{ d: string }] };
    expect(JSON.stringify(keys.public)).not.toContain(stored.keys[0].d);
  });

  test("in an invalid file are refused, with the variable's name", async () => {
    const file = join(folder, "other.json");
    await writeFile(file, '{"keys":[]}');
    await expect(openSigningKeys(file)).rejects.toThrow(/RECEIPT_KEY_FILE/);
  });

  test("rotate: a key before the old one signs, and old receipts still verify", async () => {
    const old = await openSigningKeys(keyFile());
    const oldReceipt = await signReceipt(content, old);
    const next = await openSigningKeys(join(folder, "next.json"));
    await writeFile(keyFile(), JSON.stringify({ keys: [next.private, old.private] }));
    const rotated = await openSigningKeys(keyFile());
    expect(rotated.private.kid).toBe(next.private.kid);
    const published = { keys: rotated.public };
    expect(await verifyReceipt(oldReceipt, published)).toEqual(content);
    expect(await verifyReceipt(await signReceipt(content, rotated), published)).toEqual(content);
  });
});

describe("a receipt", () => {
  test("is the same at every request, and contains what was signed", async () => {
    const keys = await openSigningKeys(keyFile());
    const jws = await signReceipt(content, keys);
    expect(await signReceipt(content, keys)).toBe(jws);
    expect(await verifyReceipt(`${jws}\n`, { keys: keys.public })).toEqual(content);
  });

  test("with one character changed in any part is not genuine", async () => {
    const keys = await openSigningKeys(keyFile());
    const parts = (await signReceipt(content, keys)).split(".") as [string, string, string];
    for (const at of [0, 1, 2] as const) {
      const changed = [...parts];
      const middle = Math.floor(parts[at].length / 2);
      changed[at] = parts[at].slice(0, middle) + (parts[at][middle] === "A" ? "B" : "A") + parts[at].slice(middle + 1);
      await expect(verifyReceipt(changed.join("."), { keys: keys.public })).rejects.toMatchObject({ name: "NotGenuine" });
    }
  });

  test("of another signer, without a signature, or of another kind is not genuine", async () => {
    const keys = await openSigningKeys(keyFile());
    const other = await openSigningKeys(join(folder, "other.json"));
    const published = { keys: keys.public };
    await expect(verifyReceipt(await signReceipt(content, other), published)).rejects.toThrow(/none of these keys/);
    const [, payload] = (await signReceipt(content, keys)).split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    await expect(verifyReceipt(`${none}.${payload}.`, published)).rejects.toMatchObject({ name: "NotGenuine" });
    const foreign = await new CompactSign(Buffer.from("{}"))
      .setProtectedHeader({ alg: "EdDSA", kid: keys.private.kid, typ: "JWT" })
      .sign(await importJWK(keys.private, "EdDSA"));
    await expect(verifyReceipt(foreign, published)).rejects.toThrow(/not a receipt/);
    const newer = await new CompactSign(Buffer.from('{"v":2}'))
      .setProtectedHeader({ alg: "EdDSA", kid: keys.private.kid, typ: RECEIPT_TYPE })
      .sign(await importJWK(keys.private, "EdDSA"));
    await expect(verifyReceipt(newer, published)).rejects.toThrow(/version/);
  });
});
