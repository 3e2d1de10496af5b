import { spawnSync } from "node:child_process";
import { chmod, chown, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKey } from "../../src/keys/change-keys.ts";
import { startRedis, type TestRedis } from "../support/redis/redis.ts";
import { client } from "../support/servers/service.ts";
import { endPrograms, type Started, startProgram } from "../support/servers/start-program.ts";

/** Accounts without a name, a home or a file: the service's, and one that has nothing to do with it. */
const SERVICE_UID = 64_001;
const STRANGER_UID = 64_002;
const root = fileURLToPath(new URL("../..", import.meta.url));

const started: Started[] = [];
let redis: TestRedis;
let folder: string;
let socket: string;
let url: string;
let service: Started;

beforeAll(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), "ci-least-"));
  await chmod(dirname(redis.url), 0o755);
  await chmod(redis.url, 0o666);
  const key = await createKey(join(folder, "keys.json"), { organization: "org_a", scopes: ["admin"] });
  for (const path of [folder, join(folder, "keys.json")]) await chown(path, SERVICE_UID, SERVICE_UID);
  const state = `/run/code-interpreter-test-${process.pid}`;
  socket = join(state, "keeper.sock");
  const env = { ...process.env, ENGINE: "oci", HOST: "127.0.0.1", PORT: "0", METRICS_PORT: "0" };
  await start("keeper", { ...env, OCI_STATE_DIR: state, KEEPER_OWNER_UID: String(SERVICE_UID) }, null, "the keeper makes sandboxes");
  service = await start("all", { ...env, KEEPER_SOCKET: socket, DATA_DIR: folder, REDIS_URL: redis.url }, SERVICE_UID, "started");
  url = (JSON.parse(service.log.find((line) => line.includes("api listens")) ?? "{}") as { url: string }).url;
  call = client(url, key);
});
let call: ReturnType<typeof client>;
afterAll(async () => {
  await endPrograms(started);
  await redis.stop();
  for (const path of [folder, dirname(socket)]) await rm(path, { recursive: true, force: true });
});

test("a service without root privileges runs code in sandboxes of a privileged keeper", async () => {
  const { json } = await call.run({ code: "import os; print(os.getuid(), 6 * 7)" });
  expect(json).toMatchObject({ status: "completed", outputs: [{ text: "65532 42\n" }], usage: { engine: "oci" } });
});

test("its process is not root and has no capability", async () => {
  const status = await readFile(`/proc/${service.child.pid}/status`, "utf8");
  expect(/^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/)).toEqual(Array(4).fill(String(SERVICE_UID)));
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
  expect(service.log.join("\n")).toContain(`at ${socket}`);
});

test("only the service can open the keeper's socket", async () => {
  const { mode, uid } = await stat(socket);
  expect([mode & 0o777, uid]).toEqual([0o600, SERVICE_UID]);
  const connects = `require("node:net").connect(${JSON.stringify(socket)}).on("error", (error) => console.log(error.code)).on("connect", () => process.exit(7))`;
  const stranger = spawnSync(process.execPath, ["-e", connects], { uid: STRANGER_UID, gid: STRANGER_UID, encoding: "utf8" });
  expect([stranger.stdout.trim(), stranger.status]).toEqual(["EACCES", 0]);
});

test("a keeper does not start in a folder that others can write", async () => {
  const foreign = await mkdtemp(join(tmpdir(), "ci-foreign-"));
  await chown(foreign, STRANGER_UID, STRANGER_UID);
  const env = { ...process.env, ENGINE: "oci", METRICS_PORT: "0", OCI_STATE_DIR: foreign };
  const { status, stderr } = spawnSync(process.execPath, [join(root, "dist/main/keeper.js")], { env, encoding: "utf8", timeout: 60_000 });
  expect(status).not.toBe(0);
  expect(stderr).toContain("must be a folder of the keeper's own account");
  await rm(foreign, { recursive: true });
});

/** A program of the service; one with an account sees the project where that account can read it, wherever it lies: at a mount of its own. */
async function start(command: string, env: NodeJS.ProcessEnv, uid: number | null, message: string): Promise<Started> {
  const asAccount = [
    ["unshare", "--mount", "sh", "-ec"],
    `mount --bind "$1" /mnt; exec setpriv --reuid "$2" --regid "$2" --clear-groups "$3" "/mnt/dist/main/$4.js"`,
    ["sh", root, String(uid), process.execPath, command],
  ].flat();
  const one = await startProgram(uid === null ? [process.execPath, join(root, `dist/main/${command}.js`)] : asAccount, env, message);
  started.push(one);
  return one;
}
