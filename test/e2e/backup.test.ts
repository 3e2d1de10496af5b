import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { client, prepareService, type TestService } from "../support/servers/service.ts";

/** The commands of OPERATING.md, as they stand there, on a service that ran and on another machine's empty folders. */
const operating = readFileSync(new URL("../../OPERATING.md", import.meta.url), "utf8");
const section = /^## Backup and restore\n(.*?)^## /ms.exec(operating)?.[1] ?? "";
const [backup, restore] = [...section.matchAll(/^```\n(.*?)^```$/gms)].map(([, block]) => block as string) as [string, string];

let service: TestService;
const folders = ["backup", "redis", "data"].map((name) => mkdtempSync(join(tmpdir(), `ci-restore-${name}-`)));
const [BACKUP, REDIS_DIR, DATA_DIR] = folders as [string, string, string];
const socket = join(REDIS_DIR, "redis.sock");
beforeAll(async () => {
  service = await prepareService({ persistent: true });
});
afterAll(async () => {
  await service.stop();
  const redis = new Redis(socket, { lazyConnect: true, retryStrategy: () => null });
  await redis.connect().then(
    () => redis.shutdown("NOSAVE").catch(() => undefined),
    () => undefined,
  );
  redis.disconnect();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The test's Redis listens on a socket, for which redis-cli and redis-server have other options. */
function follow(commands: string, redisSocket: string, env: Record<string, string>) {
  const here = commands
    .replaceAll('-u "$REDIS_URL"', `-s ${redisSocket}`)
    .replaceAll("redis-server ", `redis-server --port 0 --unixsocket ${redisSocket} --save '' `);
  execFileSync("sh", ["-e", "-c", here], { env: { ...process.env, ...env }, stdio: "pipe" });
}

test("a backup that follows OPERATING.md brings keys, receipts, results and files to another machine", async () => {
  const api = await service.start("api");
  const worker = await service.start("worker", { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1" });
  const key = await service.key("org_kept");
  const before = client(api.url, key);
  const { json: session } = await before.call("POST", "/v1/containers", {});
  const { json: ran } = await before.run({ code: "print('kept'); open('kept.txt', 'w').write('bytes')", container: session.id });
  const receipt = (await before.get(`/v1/executions/${ran.id}/receipt`)).text;
  const { json: signers } = await before.get("/v1/receipt-keys");

  follow(backup, service.redis.url, { BACKUP, DATA_DIR: service.dataFolder });
  for (const process of [api, worker]) await process.stop();
  await service.redis.kill();
  follow(restore, socket, { BACKUP, DATA_DIR, REDIS_DIR });

  const restored = client((await service.start("api", { REDIS_URL: socket, DATA_DIR })).url, key);
  await service.start("worker", { REDIS_URL: socket, DATA_DIR, POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1" });
  expect((await restored.get(`/v1/executions/${ran.id}`)).json).toEqual(ran);
  const file = ran.outputs.find(({ type }: { type: string }) => type === "file");
  expect((await restored.get(`/v1/files/${file.file_id}/content`)).text).toBe("bytes");
  expect((await restored.get("/v1/receipt-keys")).json).toEqual(signers);
  expect((await restored.get(`/v1/executions/${ran.id}/receipt`)).text.split(".")[0]).toBe(receipt.split(".")[0]);
  expect((await restored.get("/v1/usage")).json.total.executions.completed).toBe(1);

  // The session's worker is gone. Its files come back in a new one, and Redis writes down what happens from now on.
  await vi.waitFor(async () => expect((await restored.get(`/v1/containers/${session.id}`)).json.status).not.toBe("active"), {
    timeout: 60_000,
    interval: 500,
  });
  const { json: next } = await restored.call("POST", "/v1/containers", { restore_from: session.id });
  expect((await restored.run({ code: "print(open('kept.txt').read())", container: next.id })).json.outputs[0].text).toContain("bytes");
  const redis = new Redis(socket);
  expect(await redis.config("GET", "appendonly")).toEqual(["appendonly", "yes"]);
  redis.disconnect();
}, 180_000);
