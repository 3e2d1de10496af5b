import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// Plain JavaScript, loaded by address, without types.
const load = (file: string) => import(new URL(`../../../scripts/setup/${file}.mjs`, import.meta.url).href);
const { buildImage } = await load("image");
const { BASE_IMAGE, ensureBaseImage } = await load("base-image");
const { ask, askJson, engineAt } = await load("engine-api");

const SECRET = "s3cret-of-the-index";
const NAME = "code-interpreter-network-test:latest";
const DOCKERFILE = `FROM ${BASE_IMAGE} AS system
COPY Dockerfile network.s[h] /build/
RUN if [ -f /build/network.sh ]; then . /build/network.sh; fi \\
 && /usr/lib/apt/apt-helper -o Debug::NoLocking=1 download-file "$PIP_INDEX_URL/simple" /fetched && rm -rf /build /tmp/network
FROM scratch
COPY --from=system / /
`;

const engine = engineAt(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");
const asked: Array<string | undefined> = [];
let folder: string;
let server: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ci-network-"));
  const openssl = (...words: string[]) => execFileSync("openssl", words, { cwd: folder, stdio: "ignore" });
  const subject = ["-nodes", "-newkey", "rsa:2048", "-days", "2"];
  openssl(
    "req",
    "-x509",
    ...subject,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=A company",
    "-addext",
    "basicConstraints=critical,CA:true",
  );
  openssl("req", ...subject.slice(0, 3), "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=127.0.0.1");
  writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1");
  openssl(..."x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem".split(" "));
  const read = (name: string) => readFileSync(join(folder, name));
  server = createServer({ key: read("key.pem"), cert: read("cert.pem") }, (request, response) => {
    asked.push(request.headers.authorization);
    if (request.headers.authorization === undefined) response.writeHead(401, { "www-authenticate": 'Basic realm="index"' }).end();
    else response.end("an index");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await ensureBaseImage(engine);
}, 120_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  server.close();
  rmSync(folder, { recursive: true, force: true });
  const removed = await ask(engine, { method: "DELETE", path: `/images/${encodeURIComponent(NAME)}`, idleMs: 60_000 });
  removed.resume();
});

test("a build downloads with this machine's certificate and login, and its image holds neither", async () => {
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv("PIP_CERT", join(folder, "ca.pem"));
  vi.stubEnv("PIP_INDEX_URL", `https://user:${SECRET}@${address}`);
  for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]) vi.stubEnv(name, "");
  writeFileSync(join(folder, "Dockerfile"), DOCKERFILE);
  await buildImage({ engine, folder, files: ["Dockerfile"], name: NAME, args: {}, progress: () => {} });
  expect(asked.at(-1)).toBe(`Basic ${Buffer.from(`user:${SECRET}`).toString("base64")}`);

  const line = readFileSync(join(folder, "ca.pem"), "utf8").split("\n")[5] as string;
  const traces = [SECRET, Buffer.from(SECRET).toString("base64").slice(0, -4), line, address];
  const found = (bytes: Buffer | string) => traces.filter((trace) => bytes.includes(trace));
  const shown = await askJson(engine, { path: `/images/${encodeURIComponent(NAME)}/history` });
  expect(found(JSON.stringify(shown))).toEqual([]);
  const made = await askJson(engine, { method: "POST", path: "/containers/create", body: JSON.stringify({ Image: NAME, Cmd: ["none"] }) });
  try {
    const exported = await ask(engine, { path: `/containers/${made.Id}/export`, idleMs: 60_000 });
    const chunks: Buffer[] = [];
    for await (const chunk of exported) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    expect(bytes.includes("an index")).toBe(true);
    expect(found(bytes)).toEqual([]);
  } finally {
    await askJson(engine, { method: "DELETE", path: `/containers/${made.Id}?force=1` });
  }
}, 300_000);
