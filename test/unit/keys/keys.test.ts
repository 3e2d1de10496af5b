import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { OrganizationLimits } from "../../../src/domain/organization-limits.ts";
import { createKey, expireKey, idOfKey, listKeys, revokeKey, rotateKey } from "../../../src/keys/change-keys.ts";
import { KeyFile } from "../../../src/keys/keys.ts";

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

describe("a key with an end", () => {
  test("is refused from then on, also by a process that read the file before", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["read"], expiresAt: Date.now() + 60_000 });
    const keys = open();
    expect(keys.find(text)?.organization).toBe("org_a");
    expect(await expireKey(path, idOfKey(text), Date.now())).toBe(true);
    expect(keys.find(text)).toBeNull();
    expect(await expireKey(path, "key_none", Date.now())).toBe(false);
  });

  test("is replaced by one with the same rights, name, lifetime and limits, and ends after the overlap", async () => {
    const limits = { sessions: 2 };
    const lifetime = 3_600_000;
    const old = await createKey(path, { organization: "org_a", scopes: ["read"], name: "ci", expiresAt: Date.now() + lifetime, limits });
    const made = (await rotateKey(path, idOfKey(old), 60_000)) as string;
    const keys = open();
    for (const text of [old, made]) expect(keys.find(text)).toMatchObject({ organization: "org_a" });
    const [first, second] = await listKeys(path);
    expect(second).toMatchObject({ organization: "org_a", scopes: ["read"], name: "ci", limits });
    expect((first?.expires_at ?? 0) - Date.now()).toBeLessThanOrEqual(60_000);
    expect((second?.expires_at ?? 0) - (second?.created_at ?? 0)).toBeGreaterThan(lifetime - 5_000);
  });

  test("is not replaced when it has expired: an end is not undone by a rotation", async () => {
    const text = await createKey(path, { organization: "org_a", scopes: ["read"], expiresAt: Date.now() - 1 });
    expect(await rotateKey(path, idOfKey(text), 0)).toBeNull();
    expect(await listKeys(path)).toHaveLength(1);
  });

  test("is not prolonged by the overlap of a rotation", async () => {
    const end = Date.now() + 5_000;
    const text = await createKey(path, { organization: "org_a", scopes: ["read"], expiresAt: end });
    await rotateKey(path, idOfKey(text), 60_000);
    expect((await listKeys(path))[0]?.expires_at).toBe(end);
  });
});

describe("limits of an organization", () => {
  const general = makeLimits();
  const create = (limits: OrganizationLimits, more = {}) => createKey(path, { organization: "org_a", scopes: ["read"], limits, ...more });

  test("are those of its valid keys, the smallest of each; other organizations have the service's", async () => {
    await create({ sessions: 5, waiting_executions: 7 });
    await create({ sessions: 3 });
    await create({ sessions: 1 }, { expiresAt: Date.now() - 1 });
    await createKey(path, { organization: "org_a", scopes: ["read"] });
    const keys = open();
    expect(keys.limitsOf("org_a", general)).toMatchObject({ sessionsPerOrganizationMax: 3, queuePerOrganizationMax: 7 });
    expect(keys.limitsOf("org_b", general)).toBe(general);
    expect(keys.limitsOf("org_a", general)).toBe(keys.limitsOf("org_a", general));
  });

  test("lift no limit of memory, time or the whole queue above the service's", async () => {
    await create({ memory_mb: 1_000_000, timeout_ms: 10_000_000, waiting_executions: 1_000_000 });
    const own = open().limitsOf("org_a", general);
    for (const name of ["memoryMbMax", "sessionMemoryMbMax", "runTimeoutMsMax"] as const) expect(own[name]).toBe(general[name]);
    expect(own.queuePerOrganizationMax).toBe(general.queueTotalMax);
  });

  test("end with the keys that carry them, and a key of a file that is older has none", async () => {
    const text = await create({ sessions: 1, requests_per_minute: 9 });
    const keys = open();
    expect(keys.find(text)?.requestsPerMinute).toBe(9);
    await revokeKey(path, idOfKey(text));
    expect(keys.limitsOf("org_a", general)).toBe(general);
    const old = await createKey(path, { organization: "org_a", scopes: ["read"] });
    expect(JSON.parse(await readFile(path, "utf8"))[0]).not.toHaveProperty("limits");
    expect(keys.find(old)).not.toHaveProperty("requestsPerMinute");
  });

  test.each([{ sessions: 0 }, { memory_mb: 63 }, { timeout_ms: 1.5 }, { unknown: 1 }])("are refused when they are %j", async (limits) => {
    await expect(create(limits as OrganizationLimits)).rejects.toThrow();
    expect(await listKeys(path)).toEqual([]);
  });
});
