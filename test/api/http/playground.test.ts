import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { playgroundFiles } from "../../../src/http/pages/playground.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

test.for(["/", "/playground"])("%s forbids inline scripts and styles, framing and external connections", async (path) => {
  const response = await fetch(api.url + path);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  const policy = response.headers.get("content-security-policy");
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; .*connect-src 'self'; .*frame-ancestors 'none'$/);
  expect(policy).not.toContain("unsafe");
  const page = await response.text();
  expect(page).not.toMatch(/ style=| on\w+=|<style|<script(?![^>]*src=)|https?:\/\//);
});

test("the start page leads to the playground, the quickstart and the reference", async () => {
  const page = await (await fetch(`${api.url}/`)).text();
  expect([...page.matchAll(/class="door" href="([^"]*)"/g)].map(([, href]) => href)).toEqual(["/playground", "#quickstart", "/docs"]);
});

test("exactly the files of the folder are served, each with its type", async () => {
  const folder = await readdir(new URL("../../../playground/", import.meta.url));
  expect([...playgroundFiles, "home.html", "index.html"].sort()).toEqual(folder.sort());
  const types = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  for (const name of playgroundFiles) {
    const response = await fetch(`${api.url}/playground/${name}`);
    expect([name, response.status]).toEqual([name, 200]);
    expect(response.headers.get("content-type")).toContain(types[name.split(".").pop() as keyof typeof types]);
    await response.text();
  }
  for (const path of ["/playground/..%2fpackage.json", "/playground/%2e%2e/package.json", "/playground/index.html"]) {
    expect((await fetch(api.url + path)).status).toBe(404);
  }
});

test("no file of the page refers to another host", async () => {
  for (const name of playgroundFiles) {
    const text = await (await fetch(`${api.url}/playground/${name}`)).text();
    expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:\/\//);
  }
});
