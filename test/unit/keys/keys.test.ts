import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKey, KeyFile, listKeys, revokeKey } from "../../../src/keys/keys.ts";

let folder: string;
let path: string;
let problems: unknown[];
const open = () => new KeyFile(path, (error) => problems.push(error));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-keys-"));
  path = join(folder, "new", "keys.json");
  problems = [];
});
afterEach(() => rm(folder, { recursive: true }));

describe("a key", () => {
  test("is found by its text and gives organization and scopes", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["execute", "read"], name: "ci" });
    expect(text).toMatch(/^ci_sk_[0-9a-z]{24}_[0-9a-f]{64}$/);
    expect(open().find(text)).toMatchObject({ organization: "org_a", scopes: new Set(["execute", "read"]) });
  });

  test("is stored without its secret in a file of mode 0600", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["admin"] });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, "utf8")).not.toContain(text.split("_")[3]);
  });

  test("is not found by any other text", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["read"] });
    const keys = open();
    const [, , id = "", secret = ""] = text.split("_");
    const flipped = secret.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    for (const wrong of [
      "",
      id,
      secret,
      `ci_sk_${id}_`,
      `ci_sk_${id}_${flipped}`,
      `ci_sk_${"0".repeat(24)}_${secret}`,
      `${text} `,
      `${text}\n`,
      text.toUpperCase(),
    ]) {
      expect(keys.find(wrong)).toBeNull();
    }
  });

  test.each(["a", "org_", "org_A", `org_${"a".repeat(33)}`, "org_a:b", "org_a\n"])(
    "is not created for the organization %j",
    async (organization) => {
      await expect(createKey(path, { organization, scopes: ["read"] })).rejects.toThrow(RangeError);
    },
  );

  test("is not created without a scope", async () => {
    await expect(createKey(path, { organization: "org_a", scopes: [] })).rejects.toThrow(RangeError);
  });
});

describe("the file", () => {
  test("is reloaded when it changes: created and revoked keys take effect immediately", async () => {
    const keys = open();
    const text = await createKey(path, { organization: "org_a", scopes: ["read"] });
    const id = keys.find(text)?.keyId ?? "";
    expect(await revokeKey(path, id)).toBe(true);
    expect(keys.find(text)).toBeNull();
    expect(await revokeKey(path, id)).toBe(false);
  });

  test("that is partly written leaves the previous keys valid, and is reported", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["read"] });
    const keys = open();
    await writeFile(path, "[{");
    expect(keys.find(text)).not.toBeNull();
    expect(problems).toHaveLength(1);
    keys.find(text);
    expect(problems).toHaveLength(1);
  });

  test("that is removed removes all keys", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["read"] });
    const keys = open();
    await rm(path);
    expect(keys.find(text)).toBeNull();
  });

  test("that is not a key file stops the start", async () => {
    await createKey(path, { organization: "org_a", scopes: ["read"] });
    await writeFile(path, '[{"id":"x"}]');
    expect(open).toThrow();
  });

  test("accepts many concurrent changes without losing one", async () => {
    await Promise.all(Array.from({ length: 10 }, (_, i) => createKey(path, { organization: `org_${i}`, scopes: ["read"] })));
    expect(new Set((await listKeys(path)).map((key) => key.organization)).size).toBe(10);
  });

  test("is listed without hashes", async () => {
    await createKey(path, { organization: "org_a", scopes: ["read"], name: "ci" });
    const [key] = await listKeys(path);
    expect(key).toMatchObject({ organization: "org_a", scopes: ["read"], name: "ci" });
    expect(JSON.stringify(key)).not.toMatch(/hash|[0-9a-f]{64}/);
    expect(await listKeys(join(folder, "none"))).toEqual([]);
  });
});
