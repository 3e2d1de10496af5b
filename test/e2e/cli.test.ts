import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const launcher = join(root, "bin/code-interpreter.mjs");

let prepared: TestService;
let service: ServiceProcess;
let env: NodeJS.ProcessEnv;
let folder: string;

beforeAll(async () => {
  prepared = await prepareService();
  service = await prepared.start("all");
  const key = await prepared.key("org_cli");
  env = { ...process.env, CODE_INTERPRETER_URL: service.url, CODE_INTERPRETER_KEY: key, DATA_DIR: prepared.dataFolder };
});

afterAll(async () => {
  await prepared.stop();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-cli-"));
  return () => rm(folder, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(args: string[], stdin?: string) {
  const child = spawn(process.execPath, [launcher, ...args], { env, cwd: root, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(stdin ?? "");
  return child;
}

async function cli(args: string[], stdin?: string): Promise<Ended> {
  const child = start(args, stdin);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, stdout, stderr };
}

describe("packages", () => {
  test("lists what code can import, with versions", async () => {
    const ended = await cli(["packages"]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    expect(ended.stdout).toMatch(/^Python 3\.13\.\d+\n/);
    expect(ended.stdout).toMatch(/^scikit-learn 1\.\S+ {2}sklearn$/m);
  });

  test("a missing module is reported with the nearest that is installed", async () => {
    const ended = await cli(["run", "-c", "import panda"]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("No module named 'panda'; installed: pandas");
  });
});

describe("run", () => {
  test("keeps stdout and stderr apart and exits with 0", async () => {
    const ended = await cli(["run", "-c", "import sys; print('out'); print('err', file=sys.stderr)"]);
    expect(ended).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("exits with the program's exit code, 1 for an exception with its traceback on stderr, 124 at the time limit", async () => {
    expect((await cli(["run", "-c", "raise SystemExit(7)"])).code).toBe(7);
    const raised = await cli(["run", "-c", "1/0"]);
    expect(raised.code).toBe(1);
    expect(raised.stderr).toMatch(/^Traceback[\s\S]*ZeroDivisionError: division by zero\n$/);
    const late = await cli(["run", "-t", "1s", "-c", "print('begun', flush=True)\nwhile True: pass"]);
    expect(late.code).toBe(124);
    expect(late.stdout).toBe("begun\n");
    expect(late.stderr).toContain("time limit");
  });

  test("prints text before the program has ended", async () => {
    const child = start(["run", "-c", "import time\nprint('first', flush=True)\ntime.sleep(20)"]);
    const first = await new Promise<string>((resolve) => child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString())));
    expect(first).toBe("first\n");
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.kill("SIGINT");
    expect(await ended, "Ctrl-C cancels the execution and ends as shells do").toBe(130);
  });

  test("a reader that goes away ends the command quietly and cancels the execution", async () => {
    const child = start(["run", "-c", "import itertools\nfor i in itertools.count(): print(i, flush=True)"]);
    const stderr = text(child.stderr);
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stdout.once("data", () => child.stdout.destroy());
    expect([await ended, await stderr]).toEqual([141, ""]);
    const listed = await fetch(`${service.url}/v1/executions?limit=1`, {
      headers: { authorization: `Bearer ${env.CODE_INTERPRETER_KEY}` },
    });
    const { data } = (await listed.json()) as { data: Array<{ status: string }> };
    expect(data[0]?.status).toBe("cancelled");
  });

  test("says its version", async () => {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    expect(await cli(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("reads the script, its input, arguments and variables from the given places", async () => {
    await writeFile(join(folder, "name.txt"), "Ada");
    const code = "import os, sys\nprint(open('who.txt').read(), sys.argv[1:], os.environ['GREETING'], input())";
    await writeFile(join(folder, "script.py"), code);
    const args = ["--file", `who.txt=${join(folder, "name.txt")}`, "--arg", "a b", "--arg", "c", "--env", "GREETING=hej=hej"];
    const fromFile = await cli(["run", join(folder, "script.py"), ...args, "--stdin", "-"], "line\n");
    expect(fromFile).toMatchObject({ code: 0, stdout: "Ada ['a b', 'c'] hej=hej line\n" });
    expect((await cli(["run", "-"], "print(6 * 7)")).stdout).toBe("42\n");
  });

  test("numbers an output file instead of overwriting, replaces it on request, and never writes through a link", async () => {
    const write = (content: string) => ["run", "-c", `open('a.txt', 'w').write('${content}')`, "--out", folder];
    await cli(write("1"));
    await cli(write("2"));
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("1");
    expect(await readFile(join(folder, "a-1.txt"), "utf8")).toBe("2");
    await cli([...write("3"), "--overwrite"]);
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("3");
    const outside = await mkdtemp(join(tmpdir(), "ci-cli-outside-"));
    await symlink(outside, join(folder, "sub"));
    const refused = await cli(["run", "-c", "import os; os.mkdir('sub'); open('sub/b.txt', 'w').write('x')", "--out", folder]);
    expect(refused.code, refused.stderr).toBe(125);
    expect(await readdir(outside)).toEqual([]);
    await rm(outside, { recursive: true });
  });

  test("reports a wrong request, key or address in one sentence and exits with 125", async () => {
    const tooLong = await cli(["run", "-c", "1", "--timeout", "99m"]);
    expect(tooLong).toMatchObject({
      code: 125,
      stdout: "",
      stderr: expect.stringMatching(/^The service refuses \(422\): .*timeout_ms.*\n$/),
    });
    const noKey = await cli(["run", "-c", "1", "--key", "wrong"]);
    expect(noKey).toMatchObject({ code: 125, stderr: expect.stringMatching(/^The service refuses \(401\): .*\n$/) });
    const unanswered = await cli(["run", "-c", "1", "--url", "http://127.0.0.1:9"]);
    expect(unanswered).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^No service answers at http:\/\/127\.0\.0\.1:9 .*npm start.*\n$/),
    });
    expect((await cli(["run"])).code).toBe(2);
    expect((await cli(["run", join(folder, "missing.py")])).code).toBe(2);
  });
});

describe("keys", () => {
  test("a created key works at once, is listed without its secret, and is refused once revoked", async () => {
    const created = await cli(["keys", "create", "--org", "org_other", "--scopes", "execute", "--name", "nightly"]);
    const key = created.stdout.trim();
    expect(key).toMatch(/^ci_sk_\S+$/);
    expect((await cli(["run", "-c", "1 + 1", "--key", key])).stdout).toBe("2\n");
    const listed = await cli(["keys", "list"]);
    const line = listed.stdout.split("\n").find((row) => row.includes("nightly")) ?? "";
    expect(line).toMatch(/org_other\s+execute\s/);
    expect(listed.stdout).not.toContain(key.split("_").pop());
    expect((await cli(["keys", "revoke", line.split(/\s/)[0] ?? ""])).code).toBe(0);
    expect((await cli(["run", "-c", "1", "--key", key])).code).toBe(125);
  });
});

test("health exits with 0 for a ready service", async () => {
  expect(await cli(["health"])).toMatchObject({ code: 0, stdout: expect.stringContaining("/health/ready 200") });
});

describe("examples", () => {
  const inFolder = (name: string) => readFile(join(folder, name), "utf8");
  const results: Record<string, (ended: Ended) => void | Promise<void>> = {
    "sales-roi": ({ stdout }) => {
      expect(stdout).toContain("Best campaign: Newsletter (424.8 %)");
      expect(stdout).toMatch(/^Trade fair\s+41500\s+56600\s+36\.4$/m);
    },
    "csv-cleanup": async ({ stdout }) => {
      expect(stdout).toMatch(/^Miller GmbH\s+3649\.4$/m);
      expect((await inFolder("orders-clean.csv")).trim().split("\n")).toHaveLength(7);
      expect((await readFile(join(folder, "image-1.png"))).subarray(1, 4).toString()).toBe("PNG");
    },
    "json-average": async () => expect(JSON.parse(await inFolder("averages.json"))).toEqual({ Harbour: 7.17, Hill: 3.6, Airport: 7.2 }),
    dedup: async ({ stdout }) => {
      expect(stdout).toContain("7 contacts, 4 people");
      expect(await inFolder("contacts-unique.csv")).toContain("Carla Núñez,carla@example.net,+34 91 555 01");
    },
    units: ({ stdout }) => expect(stdout).toBe("100 km/h = 62.1371 mi/h\n"),
    "image-edit": async ({ stdout }) => {
      expect(stdout).toBe("240x160 -> 176x123\n");
      const png = await readFile(join(folder, "photo-framed.png"));
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([176, 123]);
    },
    spreadsheet: async ({ stdout }) => {
      expect(stdout).toBe("3 projects, total 2,616.25\n");
      expect((await readFile(join(folder, "invoice.xlsx"))).subarray(0, 2).toString()).toBe("PK");
    },
  };

  test("every example folder is tested with the command of its README", async () => {
    const entries = await readdir(join(root, "examples"), { withFileTypes: true });
    expect(
      entries
        // Examples of clients are run by the tests of those clients.
        .filter((entry) => entry.isDirectory() && !entry.name.endsWith("-client"))
        .map((entry) => entry.name)
        .sort(),
    ).toEqual(Object.keys(results).sort());
  });

  test.for(Object.keys(results))("%s gives the result it promises", async (name) => {
    const readme = await readFile(join(root, "examples/README.md"), "utf8");
    const command = readme.match(new RegExp(`\`bin\\/code-interpreter\\.mjs (run examples/${name}/[^\`]*)\``))?.[1] ?? "";
    const words = command.replace("--out out", `--out ${folder}`).split(" ");
    const ended = await cli(words);
    expect(ended.code, ended.stderr).toBe(0);
    await results[name]?.(ended);
  });
});
