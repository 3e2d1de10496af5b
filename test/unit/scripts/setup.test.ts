import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";

// Plain JavaScript, as it runs before there is a node_modules: loaded by address, without types.
const setup = async (name: string) => import(new URL(`../../../scripts/setup/${name}.mjs`, import.meta.url).href);
const { mirrorsIn } = await setup("debian");
const { likelyCause } = await setup("docker");
const { describeMessage, engineAt } = await setup("engine-api");
const { imageInputs, imageTag, isNetworkTrouble } = await setup("image");
const { holdsLocked, sha256 } = await setup("node-modules");
const { encodeCommand, isNewEnough, readUrl, versionAt } = await setup("redis");
const { printable } = await setup("say");
const { freePort } = await setup("service");
const { chooseSuites, countPytest, countVitest } = await setup("suites");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ci-setup-"));
  return () => rmSync(folder, { recursive: true, force: true });
});

describe("the image's tag", () => {
  beforeEach(() => {
    for (const [file, content] of Object.entries({
      Dockerfile: "FROM x",
      "packages.txt": "python3-numpy",
      "seccomp.json": "{}",
      "runner/a.py": "1",
      "runner/__pycache__/a.pyc": "x",
      "tests/test_a.py": "x",
      "README.md": "x",
    })) {
      mkdirSync(join(folder, file, ".."), { recursive: true });
      writeFileSync(join(folder, file), content);
    }
  });
  const tag = (variant = "default") => imageTag(folder, imageInputs(folder), variant);

  test("depends on what is in the image and on nothing else", () => {
    expect(imageInputs(folder)).toEqual(["Dockerfile", "packages.txt", "runner/a.py"]);
    const before = tag();
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    writeFileSync(join(folder, "tests/test_a.py"), "y");
    writeFileSync(join(folder, "seccomp.json"), "[]");
    expect(tag()).toBe(before);
    writeFileSync(join(folder, "packages.txt"), "python3-numpy\npython3-pandas");
    expect(tag()).not.toBe(before);
  });

  test("differs between variants", () => {
    expect(tag("full")).not.toBe(tag());
  });
});

test("a hash changes when a border between its parts moves", () => {
  expect(sha256(["ab", "c"])).not.toBe(sha256(["a", "bc"]));
});

describe("node_modules", () => {
  const locked = {
    packages: {
      "": { version: "1" },
      "node_modules/a": { version: "1.0.0", integrity: "x" },
      "node_modules/b": { version: "2.0.0", optional: true },
    },
  };

  test("count as installed when each package has the locked version and content; optional ones may be absent", () => {
    expect(holdsLocked({ packages: { "node_modules/a": { version: "1.0.0", integrity: "x" } } }, locked)).toBe(true);
    expect(holdsLocked({ packages: { "node_modules/a": { version: "1.0.1", integrity: "x" } } }, locked)).toBe(false);
    expect(holdsLocked({ packages: { "node_modules/a": { version: "1.0.0", integrity: "y" } } }, locked)).toBe(false);
    expect(holdsLocked({ packages: {} }, locked)).toBe(false);
  });
});

describe("the Docker engine", () => {
  test("is reached at sockets, hosts and ports, with TLS where certificates are", () => {
    expect(engineAt("unix:///run/d.sock", {}).options).toEqual({ socketPath: "/run/d.sock" });
    expect(engineAt("tcp://10.0.0.2", {}).options).toEqual({ host: "10.0.0.2", port: 2375 });
    for (const name of ["ca.pem", "cert.pem", "key.pem"]) writeFileSync(join(folder, name), name);
    expect(engineAt("tcp://h:9", { DOCKER_CERT_PATH: folder }).options).toMatchObject({ host: "h", port: 9, ca: Buffer.from("ca.pem") });
    expect(() => engineAt("ssh://h", {})).toThrow("DOCKER_HOST");
  });

  test("reports its progress on one line", () => {
    expect(describeMessage({ stream: "Step 1/2 : FROM x\n" })).toBe("Step 1/2 : FROM x");
    expect(describeMessage({ status: "Downloading", id: "ab", progressDetail: { current: 5, total: 20 } })).toBe("Downloading ab 25 %");
    expect(describeMessage({ aux: {} })).toBeNull();
    expect(printable("\u001b[1mbold\u001b[0m\r\nx")).toBe("bold x");
  });

  test("says in words why it does not stay up", () => {
    expect(likelyCause("failed to start daemon: Devices cgroup isn't mounted")).toContain("Control groups");
    expect(likelyCause("iptables v1.8: can't initialize iptables table `nat'")).toContain("iptables");
    expect(likelyCause("error initializing graphdriver: driver not supported")).toContain("storage driver");
    expect(likelyCause("something new")).toBe("");
  });

  test("is asked again on the host's network only for network trouble", () => {
    expect(isNetworkTrouble("E: Temporary failure resolving 'deb.debian.org'")).toBe(true);
    expect(isNetworkTrouble("E: Unable to locate package python3-nump")).toBe(false);
  });
});

test("the Debian mirror is found in both formats, and is never the security archive", () => {
  expect(mirrorsIn("deb http://security.debian.org/debian-security x main\ndeb [a=b] http://m.example/debian bookworm main").archive).toBe(
    "http://m.example/debian",
  );
  expect(mirrorsIn("Types: deb\nURIs: https://m.example/debian/\nSuites: trixie").archive).toBe("https://m.example/debian");
  expect(mirrorsIn("# deb http://m.example/debian x").archive).toBeNull();
});

describe("Redis", () => {
  test("must be 6.2 or newer", () => {
    expect(["6.2.0", "7.0.15", "8.0", "10.1"].map(isNewEnough)).toEqual([true, true, true, true]);
    expect(["6.0.16", "5.9"].map(isNewEnough)).toEqual([false, false]);
  });

  test("is looked for at every server that its URL names, at sentinels with their own password", () => {
    const { targets, shown, login } = readUrl("redis://u:p%40@a:1/2");
    expect({ targets, shown, login }).toMatchObject({
      targets: [{ host: "a", port: 1 }],
      shown: "redis://a:1",
      login: ["AUTH", "u", "p@"],
    });
    expect(readUrl("redis+cluster://:p@a,b:2").targets).toMatchObject([{ port: 6379 }, { host: "b", port: 2 }]);
    expect(readUrl("redis+sentinel://u:p@a,b/main?sentinel_password=s").login).toEqual(["AUTH", "s"]);
    expect(readUrl("/run/redis.sock").targets).toEqual([{ path: "/run/redis.sock" }]);
  });

  test("commands carry the length in bytes", () => {
    expect(encodeCommand(["AUTH", "å"])).toBe("*2\r\n$4\r\nAUTH\r\n$2\r\nå\r\n");
  });

  test("an address without a server and one that refuses the password are distinguished, and the password is never shown", async () => {
    await expect(versionAt(join(folder, "none.sock"))).rejects.toThrow("No Redis answers at");
    const server = createServer((socket) => socket.on("data", () => socket.write("-WRONGPASS invalid\r\n-NOAUTH x\r\n-NOAUTH x\r\n")));
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    try {
      const error = await versionAt(`redis://u:secret@127.0.0.1:${port}`).catch((e: Error) => e.message);
      expect(error).toMatch(/^Redis at redis:\/\/127\.0\.0\.1:\d+ refuses: -WRONGPASS/);
    } finally {
      server.close();
    }
  });
});

test("a taken port gives way to the next free one", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  try {
    expect(await freePort("127.0.0.1", port)).toBeGreaterThan(port);
  } finally {
    server.close();
  }
});

describe("npm test", () => {
  test("counts what vitest and pytest report, and a crash outside of tests as a failure", () => {
    const counts = (passed: number, failed: number, skipped: number, failures: string[] = []) => ({ passed, failed, skipped, failures });
    expect(countVitest({ numPassedTests: 3, numFailedTests: 0, numPendingTests: 1, numTodoTests: 0 }, 0)).toEqual(counts(3, 0, 1));
    expect(countVitest(null, 1)).toEqual(counts(0, 1, 0, ["no report was left"]));
    expect(countPytest("..F\n2 failed, 30 passed, 1 skipped in 12.34s\n", 1)).toEqual(counts(30, 2, 1));
    expect(countPytest("==== 3 passed, 1 error in 0.5s ====\r\n", 1)).toEqual(counts(3, 1, 0));
    expect(countVitest(null, 0)).toEqual(counts(0, 1, 0, ["no report was left"]));
    expect(countPytest("nothing to count", 0)).toEqual(counts(0, 1, 0));
    expect(countPytest("518 passed in 112.83s (0:01:52)\r\n", 0)).toEqual(counts(518, 0, 0));
    expect(countPytest("Traceback", 4)).toEqual(counts(0, 1, 0));
  });

  test("says in a line each what failed", () => {
    const failed = { status: "failed", fullName: "a worker goes away", failureMessages: ["Error: it stayed\n    at worker.test.ts:7"] };
    const report = {
      numPassedTests: 1,
      numFailedTests: 1,
      testResults: [
        { name: "/project/test/worker.test.ts", message: "", assertionResults: [{ status: "passed", fullName: "starts" }, failed] },
        { name: "/project/test/broken.test.ts", message: "SyntaxError: no\n  more", assertionResults: [] },
      ],
    };
    expect(countVitest(report, 1).failures).toEqual([
      "worker.test.ts: a worker goes away: Error: it stayed",
      "broken.test.ts: SyntaxError: no",
    ]);
    const printed = "..F\nFAILED ../tests/test_cell.py::test_result - assert 1 == 2\n1 failed, 2 passed in 0.1s\n";
    expect(countPytest(printed, 1).failures).toEqual(["FAILED ../tests/test_cell.py::test_result - assert 1 == 2"]);
  });

  test("runs suites in their own order, not in the order of the arguments", () => {
    const names = (wanted: string[]) => chooseSuites(wanted).map((suite: { name: string }) => suite.name);
    expect(names(["e2e", "unit"])).toEqual(["unit", "e2e"]);
    expect(names(["checks"])).toEqual(["types", "lint", "promises", "imports", "unused", "python"]);
    expect(() => names(["units"])).toThrow("There is no suite units");
  });
});

test("setup loads nothing that npm has to install first", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const code = "await import('./scripts/setup.mjs')";
  const files = readFileSync(join(root, "scripts/setup.mjs"), "utf8");
  expect(files).not.toMatch(/from "(?!node:|\.)/);
  const alone = spawnSync(
    "sh",
    ["-c", `cp -r "$1/scripts" "$2" && cd "$2" && exec "$3" --input-type=module -e "$4"`, "sh", root, folder, process.execPath, code],
    { encoding: "utf8" },
  );
  expect(alone.stderr).toBe("");
  expect(alone.status).toBe(0);
});

test("npm start is a child of npm's own, without a shell between: a SIGTERM to npm reaches it, and npm waits for it", async () => {
  const note = join(folder, "parent");
  const tellParent = `import fs from "node:fs"; if (/start\\.mjs$/.test(process.argv[1])) fs.writeFileSync(${JSON.stringify(note)}, String(process.ppid));`;
  const npm = spawn("npm", ["start", "--", "--help"], {
    cwd: fileURLToPath(new URL("../../..", import.meta.url)),
    env: { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellParent)}` },
    stdio: "ignore",
  });
  const [code] = await once(npm, "exit");
  expect({ code, parent: readFileSync(note, "utf8") }).toEqual({ code: 0, parent: String(npm.pid) });
});
