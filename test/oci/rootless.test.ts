import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createKey } from "../../src/keys/change-keys.ts";
import { startRedis, type TestRedis } from "../support/redis/redis.ts";
import { client } from "../support/servers/service.ts";
import { endPrograms, type Started, startProgram } from "../support/servers/start-program.ts";

/** An account that has nothing but a delegated group, and ids in /etc/subuid. */
const ACCOUNT = { name: "ci-rootless", uid: 64_010, firstId: 1_000_000, ids: 65_536 };
const CGROUPS = "/sys/fs/cgroup";
const CONTROLLERS = ["cpu", "memory", "pids"];
const group = `${CGROUPS}/ci-rootless-test`;
/** For user-mode Linux, which is slow, most of all with memory. */
const small = {
  WORKER_CONCURRENCY: "2",
  POOL_SIZE_MIN: "1",
  POOL_SIZE_MAX: "2",
  LIMIT_MEMORY_MB_MAX: "272",
};
const root = fileURLToPath(new URL("../..", import.meta.url));
const started: Started[] = [];
const lack = hostLacks();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-rootless-"));
  const { name, uid, firstId, ids } = ACCOUNT;
  const lists = {
    passwd: `root:x:0:0:root:/:/bin/sh\n${name}:x:${uid}:${uid}::/:/bin/sh\n`,
    group: `root:x:0:\n${name}:x:${uid}:\n`,
    subuid: `${name}:${firstId}:${ids}\n`,
    subgid: `${name}:${firstId}:${ids}\n`,
  };
  for (const [list, text] of Object.entries(lists)) await writeFile(join(folder, list), text);
  await chown(folder, uid, uid);
});
afterAll(async () => {
  await endPrograms(started);
  await rm(folder, { recursive: true });
});

describe.skipIf(lack !== null)("a service and keeper without root", () => {
  let redis: TestRedis;
  let call: ReturnType<typeof client>;
  let service: Started;

  beforeAll(async () => {
    await mkdir(group);
    await writeFile(`${CGROUPS}/cgroup.subtree_control`, CONTROLLERS.map((name) => `+${name}`).join(" "));
    const own = [group, ...["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"].map((name) => join(group, name))];
    for (const path of own) await chown(path, ACCOUNT.uid, ACCOUNT.uid);
    redis = await startRedis();
    await chmod(dirname(redis.url), 0o755);
    await chmod(redis.url, 0o666);
    const key = await createKey(join(folder, "keys.json"), { organization: "org_a", scopes: ["admin"] });
    await chown(join(folder, "keys.json"), ACCOUNT.uid, ACCOUNT.uid);
    const env = { HOST: "127.0.0.1", PORT: "0", DATA_DIR: folder, REDIS_URL: redis.url, ...small };
    service = await startProgram(asAccount("all", group), { ...environment(), ...env }, "started");
    started.push(service);
    const { url } = JSON.parse(service.log.find((line) => line.includes("api listens")) ?? "{}") as { url: string };
    call = client(url, key);
  });
  afterAll(async () => {
    await endPrograms(started);
    await redis.stop();
    // A container that the killed keeper was making may have come up after it.
    await writeFile(join(group, "cgroup.kill"), "1");
    await vi.waitFor(() => removeGroups(group), { timeout: 10_000 });
  });

  test("verifies its sandboxes and runs code in them", async () => {
    const { json } = await call.run({ code: "import os; print(os.getuid(), 6 * 7)" });
    expect(json).toMatchObject({ status: "completed", outputs: [{ text: "65532 42\n" }], usage: { engine: "oci" } });
  });

  test("has no root process, and sandboxes with the account's own subordinate ids", async () => {
    const running = call.run({ code: "import time; time.sleep(3)" });
    await expect.poll(() => accountsBelow(group).some((uid) => uid >= ACCOUNT.firstId)).toBe(true);
    const accounts = accountsBelow(group);
    const own = (uid: number) => uid === ACCOUNT.uid || (uid >= ACCOUNT.firstId && uid < ACCOUNT.firstId + ACCOUNT.ids);
    expect(accounts.filter((uid) => !own(uid))).toEqual([]);
    await running;
  });

  test("holds sandboxes to their limits", async () => {
    const { json } = await call.run({ code: "held = b'x' * (400 << 20)" });
    expect(json).toMatchObject({ status: "incomplete", cause: "memory" });
  });

  test("gets a new keeper when its own dies, below the same cgroup", async () => {
    const keeper = pidsBelow(group).find((pid) => textOf(`/proc/${pid}/cmdline`).includes("keeper.py"));
    process.kill(keeper as number, "SIGKILL");
    await expect
      .poll(async () => (await call.run({ code: "print(6 * 7)" })).json, { timeout: 60_000, interval: 500 })
      .toMatchObject({ status: "completed", outputs: [{ text: "42" }] });
    expect(existsSync(join(group, "service/service"))).toBe(false);
  });
});

test.skipIf(lack === null)("an ordinary account gets one line that names what it lacks for a keeper", () => {
  console.info(`a keeper without root is not tried: this machine has no ${lack}; "npm test -- own-linux" tries it in a Linux that has`);
  const [program, ...args] = asAccount("keeper", null);
  const { status, stderr } = spawnSync(program as string, args, { env: environment(), encoding: "utf8", timeout: 60_000 });
  expect(status).toBe(1);
  const lines = stderr.split("\n").filter((line) => line.includes("as an ordinary account a keeper lacks"));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/cgroup version 2 alone|the controllers|newuidmap/);
});

test("a keeper without root cannot open a socket for another account", async () => {
  const [program, ...args] = asAccount("keeper", null);
  const env = { ...environment(), KEEPER_OWNER_UID: "1" };
  const { status, stderr } = spawnSync(program as string, args, { env, encoding: "utf8", timeout: 60_000 });
  expect([status, stderr.includes("KEEPER_OWNER_UID: a keeper that is not root serves its own account alone")]).toEqual([1, true]);
});

/** A program of the service as the account, in mounts of its own where that account can reach all it needs. */
function asAccount(command: string, delegated: string | null): string[] {
  const script = `
    [ -z "$5" ] || echo $$ > "$5/cgroup.procs"
    mount -t tmpfs -o mode=755 none /mnt
    mkdir /mnt/project /mnt/rootfs /mnt/state
    mount --bind "$1" /mnt/project
    mount --bind "$2" /mnt/rootfs
    chown "$4" /mnt/state
    for list in passwd group subuid subgid; do
      mount --bind "$3/$list" /etc/$list
    done
    exec setpriv --reuid "$4" --regid "$4" --clear-groups "$6" "/mnt/project/dist/main/$7.js"`;
  const given = [root, process.env.SANDBOX_ROOTFS ?? "", folder, String(ACCOUNT.uid), delegated ?? "", process.execPath, command];
  return ["unshare", "--mount", "sh", "-ec", script, "sh", ...given];
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ENGINE: "oci",
    OCI_RUNTIME: "crun",
    OCI_STATE_DIR: "/mnt/state/keeper",
    SANDBOX_ROOTFS: "/mnt/rootfs",
    METRICS_PORT: "0",
  };
}

/** Null when this machine can have such a keeper at all. */
function hostLacks(): string | null {
  const controllers = `${CGROUPS}/cgroup.controllers`;
  if (!existsSync(controllers)) return "cgroup version 2 alone";
  const offered = readFileSync(controllers, "utf8").trim().split(" ");
  const missing = CONTROLLERS.filter((name) => !offered.includes(name));
  if (missing.length > 0) return `controllers ${missing.join(", ")} of cgroup version 2`;
  return existsSync("/usr/bin/newuidmap") ? null : "newuidmap (on Debian: uidmap)";
}

function pidsBelow(top: string): number[] {
  const here = textOf(join(top, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
  return [...here, ...groupsBelow(top).flatMap((name) => pidsBelow(join(top, name)))];
}

/** Fails while one of them has a process. */
function removeGroups(top: string): void {
  for (const name of groupsBelow(top)) removeGroups(join(top, name));
  rmdirSync(top);
}

function groupsBelow(top: string): string[] {
  if (!existsSync(top)) return [];
  return readdirSync(top, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function accountsBelow(top: string): number[] {
  return pidsBelow(top).flatMap((pid) => {
    return (
      /^Uid:\s+(\d+)/m
        .exec(textOf(`/proc/${pid}/status`))
        ?.slice(1)
        .map(Number) ?? []
    );
  });
}

/** Nothing for a process or a group that has gone meanwhile: containers come and go beside the test. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
