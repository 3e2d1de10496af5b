import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Replicated, startRedisCluster } from "../support/redis/redis-deployments.ts";
import { startS3, type TestS3 } from "../support/servers/s3.ts";
import { client, type Json, prepareService, type TestService } from "../support/servers/service.ts";

let world: TestService;
let redis: Replicated;
let s3: TestS3;
let api: ReturnType<typeof client>;
let apiUrl: string;
let key: string;

beforeAll(async () => {
  [world, redis, s3] = await Promise.all([prepareService(), startRedisCluster(), startS3()]);
  key = await world.key("org_a");
  const { bucket, endpoint = "", accessKeyId = "", secretAccessKey = "" } = s3.settings;
  const shared = {
    REDIS_URL: redis.url,
    KEYS_FILE: join(world.dataFolder, "keys.json"),
    S3_BUCKET: bucket,
    S3_ENDPOINT: endpoint,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  };
  // Each has a folder of its own, so what passes between them passes through S3.
  const service = await world.start("api", { ...shared, DATA_DIR: join(world.dataFolder, "api") });
  await world.start("worker", { ...shared, DATA_DIR: join(world.dataFolder, "worker"), POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1" });
  apiUrl = service.url;
  api = client(service.url, key);
});
afterAll(async () => {
  await world.stop();
  await redis.stop();
});

const copies = "from pathlib import Path\nPath('out.bin').write_bytes(Path('in.csv').read_bytes() * 300_000)\nprint('done')";
const run = async (): Promise<Json> => (await api.run({ code: copies, files: [{ name: "in.csv", text: "a,b,c,d\n1,2,3,4\n" }] })).json;

test("api and worker that share a Redis Cluster and a bucket run an execution with input and output files", async () => {
  const execution = await run();
  expect(execution).toMatchObject({
    status: "completed",
    outputs: [{ text: "done\n" }, { type: "file", name: "out.bin", bytes: 4_800_000 }],
  });
  const content = await fetch(apiUrl + execution.outputs[1].url, { headers: { authorization: `Bearer ${key}` } });
  expect((await content.arrayBuffer()).byteLength).toBe(4_800_000);
  expect((await s3.names("blobs/")).length).toBe(2);
  expect((await api.call("DELETE", `/v1/executions/${execution.id}`)).status).toBeLessThan(300);
  expect(await s3.names("blobs/")).toEqual([]);
});

test("while the bucket is away a request with files gets 503, and an execution reports the file that could not be stored", async () => {
  await s3.stop();
  const refused = await api.run({ code: "1", files: [{ name: "in.csv", text: "a" }] });
  expect(refused).toMatchObject({ status: 503, json: { code: "storage_unavailable" } });
  const { status, json } = await api.run({ code: "open('out.txt', 'w').write('x' * 9)\nprint('done')" });
  expect({ status, json }).toMatchObject({ status: 200, json: { outputs: [{ text: "done\n" }], skipped_files: [{ name: "out.txt" }] } });
});
