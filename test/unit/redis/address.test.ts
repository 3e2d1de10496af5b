import { describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../../src/main/config.ts";
import { parseRedisUrl } from "../../../src/redis/address.ts";

describe("parseRedisUrl", () => {
  test.each([
    ["/run/redis.sock", { kind: "server", nodes: [], path: "/run/redis.sock", tls: null }],
    ["redis://127.0.0.1", { kind: "server", nodes: [{ host: "127.0.0.1", port: 6379 }], tls: null }],
    ["redis://[::1]:7000/3", { kind: "server", nodes: [{ host: "::1", port: 7000 }], db: 3, tls: null }],
    ["redis://:p%40ss@redis", { kind: "server", nodes: [{ host: "redis", port: 6379 }], password: "p@ss", tls: null }],
    ["rediss://u:a:b@redis?ca=%2Fca.pem", { kind: "server", username: "u", password: "a:b", tls: { ca: "/ca.pem" } }],
    ["rediss://redis?cert=/c&key=/k", { kind: "server", tls: { cert: "/c", key: "/k" } }],
    [
      "redis+sentinel://a,b:1/main?sentinel_password=s%26t",
      {
        kind: "sentinel",
        nodes: [
          { host: "a", port: 26379 },
          { host: "b", port: 1 },
        ],
        master: "main",
        sentinelPassword: "s&t",
        tls: null,
      },
    ],
    [
      "rediss+cluster://u:p@a:1,b:2",
      {
        kind: "cluster",
        nodes: [
          { host: "a", port: 1 },
          { host: "b", port: 2 },
        ],
        username: "u",
        tls: {},
      },
    ],
  ])("reads %s", (text, address) => {
    expect(parseRedisUrl(text)).toMatchObject(address);
  });

  test.each([
    ["http://redis", "must be redis://"],
    ["redis://", "must be redis://"],
    ["redis://a,b", "one host only"],
    ["redis://a:99999", "host:port"],
    ["redis://a/main", "number of a database"],
    ["redis+sentinel://a,b", "name of their master"],
    ["redis+cluster://a/1", "no databases"],
    ["redis://a?ca=/x", "nothing with this scheme"],
    ["rediss://a?insecure=1", "ca, cert, key"],
    ["redis://:%E0%A4%A@a", "percent-encoded"],
  ])("refuses %s", (text, why) => {
    expect(() => parseRedisUrl(text)).toThrow(why);
  });

  test("a wrong REDIS_URL is told by its rule, and without its secrets", () => {
    const start = () => readConfig({ REDIS_URL: "redis+sentinel://user:sesame@a,b?sentinel_password=open" });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(/REDIS_URL: sentinels need the name of their master/);
    expect(start).not.toThrow(/sesame|open/);
  });
});
