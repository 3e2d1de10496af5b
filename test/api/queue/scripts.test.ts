import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jobKeyLua } from "../../../src/queue/core/script-prelude.ts";
import { asNumber, asTexts, Script } from "../../../src/redis/script.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const echo = new Script({
  args: ["first", "secondName"],
  lua: "local all = {first, second_name}\nfor at = rest, #ARGV do all[#all + 1] = ARGV[at] end\nreturn all",
  reply: asTexts,
});

test("arguments arrive by name in any order, followed by the rest", async () => {
  expect(await echo.run(redis, "b", { secondName: "2", first: "1" }, ["3", "4"])).toEqual(["1", "2", "3", "4"]);
  expect(await echo.run(redis, "b", { first: 1, secondName: Buffer.from("ä") })).toEqual(["1", "ä"]);
});

test("a Redis that lost its scripts receives the source again", async () => {
  await echo.run(redis, "b", { first: "1", secondName: "2" });
  await redis.script("FLUSH");
  expect(await echo.run(redis, "b", { first: "1", secondName: "2" })).toEqual(["1", "2"]);
});

test("job_key builds the key under which BullMQ stores a job", async () => {
  const queue = new Queue("executions", { connection: redis, prefix: "{ci}" });
  await queue.add("execution", {}, { jobId: "ci_1" });
  const find = new Script({
    prelude: `local base = KEYS[1]\n${jobKeyLua}`,
    args: ["id"],
    lua: "return redis.call('EXISTS', job_key('executions', id))",
    reply: asNumber,
  });
  expect(await find.run(redis, "{ci}", { id: "ci_1" })).toBe(1);
  expect(await find.run(redis, "{ci}", { id: "ci_2" })).toBe(0);
  await queue.close();
});
