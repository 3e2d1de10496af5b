import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../src/domain/limits.ts";
import { makeLog } from "../../src/observe/log.ts";
import { makeMetrics } from "../../src/observe/metrics.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { ociBackend } from "../support/sandboxes/oci-backend.ts";
import { groupsOf, processesOf, runIn as run, runHead } from "../support/sandboxes/oci-sandbox.ts";
import { childrenOf, commandOf, parentOf, procText } from "../support/sandboxes/processes.ts";
import { startProgram } from "../support/servers/start-program.ts";

const limits = makeLimits();
const never = new AbortController().signal;
const rootfs = process.env.SANDBOX_ROOTFS ?? "";
const runtime = process.env.OCI_RUNTIME || "crun";
const ZYGOTE_FORKS_MAX = 5;
/** Until a runtime is met at work. */
const CONTAINERS_ASKED_MAX = 40;
const LOOKS_EACH = 20;
type Backend = Awaited<ReturnType<typeof ociBackend>>;

let backend: Backend;
beforeAll(async () => {
  backend = await ociBackend({ rootfs, runtime, limits, metrics: makeMetrics(), log: makeLog("silent"), zygoteForksMax: ZYGOTE_FORKS_MAX });
});
afterAll(() => backend.close());

const taken: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of taken.splice(0)) await sandbox.destroy();
});

async function take(memoryMb = 128): Promise<Sandbox> {
  const sandbox = await backend.factory.create({ memoryMb }, never);
  taken.push(sandbox);
  return sandbox;
}

describe("a container", () => {
  test("that waits has one process of less than two MiB, and no interpreter", async () => {
    const sandbox = await take();
    const [pid, ...others] = processesOf(sandbox.id);
    expect(others).toEqual([]);
    await expect.poll(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()).toBe("catatonit");
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])).toBeLessThan(2_048);
  });

  test("can be joined only once", async () => {
    const sandbox = await take();
    expect(await run(sandbox, "print(1)")).toBe("1");
    const again = connect(backend.keeper.socket);
    again.write(`A${sandbox.id}`);
    again.resume();
    await once(again, "close");
    expect(again.bytesRead).toBe(0);
  });

  test("can be joined only once, also by concurrent requests", async () => {
    const sandbox = await take();
    const asked = Array.from({ length: 12 }, () => {
      const connection = connect(backend.keeper.socket);
      connection.on("error", () => {});
      connection.write(`P${sandbox.id}`);
      connection.resume();
      return connection;
    });
    await expect.poll(() => asked.filter((connection) => connection.closed).length).toBe(asked.length - 1);
    const [served] = asked.filter((connection) => !connection.closed);
    await expect.poll(() => served?.bytesRead).toBeGreaterThan(0);
    expect(runnersIn(sandbox)).toHaveLength(1);
    served?.destroy();
  });

  test("that is returned while a runner enters is not confused with another", async () => {
    const stayed = await take();
    for (let round = 0; round < 20; round++) {
      const leaving = await backend.factory.create({ memoryMb: 128 }, never);
      void leaving.send({ kind: "run", head: runHead, body: Buffer.from("print('lost')") }).catch(() => {});
      await Promise.all([leaving.destroy(), backend.factory.create({ memoryMb: 128 }, never).then((next) => next.destroy())]);
    }
    expect(processesOf(stayed.id)).toHaveLength(1);
    expect(await run(stayed, "import os; print(len([name for name in os.listdir('/proc') if name.isdigit()]))")).toBe("2");
  });

  test("of an unknown id is not joined", async () => {
    const guess = connect(backend.keeper.socket);
    guess.write(`A${"0".repeat(32)}`);
    guess.resume();
    await once(guess, "close");
    expect(guess.bytesRead).toBe(0);
  });

  test("has host ids that no other container has", async () => {
    const sandboxes = [await take(), await take(), await take()];
    const first = sandboxes.map(
      ({ id }) =>
        readFileSync(`/proc/${processesOf(id)[0]}/uid_map`, "utf8")
          .trim()
          .split(/\s+/)[1],
    );
    expect(new Set(first).size).toBe(sandboxes.length);
    for (const id of first) expect(Number(id)).toBeGreaterThanOrEqual(0x2000_0000);
  });

  test("leaves no folder, cgroup or process", async () => {
    const sandbox = await take();
    expect(await run(sandbox, "import subprocess; subprocess.Popen(['sleep', '100']); print(1)")).toBe("1");
    await sandbox.destroy();
    expect(await backend.exists(sandbox.id)).toBe(false);
  });
});

describe("the keeper", () => {
  test("refuses memory beyond its limits, and closes the connection on an invalid request", async () => {
    await expect(backend.factory.create({ memoryMb: limits.sessionMemoryMbMax + 1 }, never)).rejects.toThrow("memory");
    await expect(backend.factory.create({ memoryMb: limits.memoryMbMin - 1 }, never)).rejects.toThrow("memory");
    const unknown = connect(backend.keeper.socket);
    // It closes with bytes unread, which is a reset.
    unknown.on("error", () => {});
    unknown.write("Xrm -rf /");
    unknown.resume();
    await new Promise<void>((resolve) => unknown.once("close", () => resolve()));
    expect(unknown.bytesRead).toBe(0);
  });

  test("accepts only its owner", () => {
    const { mode, uid } = statSync(backend.keeper.socket);
    expect(mode & 0o777).toBe(0o600);
    expect(uid).toBe(process.getuid?.());
  });
});

describe("the zygote", () => {
  test("that dies is replaced while executions wait, and none is lost", async () => {
    const sandboxes = await Promise.all(Array.from({ length: 6 }, () => take()));
    for (const pid of zygotes()) process.kill(pid, "SIGKILL");
    const answers = await Promise.all(sandboxes.map((sandbox, index) => run(sandbox, `print(${index})`)));
    expect(answers).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  test("that dies ends none of its executions", async () => {
    const sandbox = await take();
    const answer = run(sandbox, "import time; time.sleep(1); print('still here')");
    await expect.poll(() => processesOf(sandbox.id).length, { timeout: 10_000 }).toBeGreaterThan(2);
    for (const pid of zygotes()) process.kill(pid, "SIGKILL");
    expect(await answer).toBe("still here");
  });

  test("is renewed, so that a hash seed does not live forever", async () => {
    const seen = new Set<string | null>();
    for (let execution = 0; execution < 6 * ZYGOTE_FORKS_MAX && seen.size < 2; execution++) {
      const sandbox = await take();
      seen.add(await run(sandbox, "print(hash('a text'))"));
      await sandbox.destroy();
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("shares no random state between two of its forks", async () => {
    const code = "import numpy, random, secrets, uuid; print(random.random(), numpy.random.random(), secrets.token_hex(), uuid.uuid4())";
    const answers = await Promise.all([0, 1, 2].map(async () => run(await take(), code)));
    for (const place of [0, 1, 2, 3]) expect(new Set(answers.map((answer) => answer?.split(" ")[place])).size).toBe(3);
  });
});

test("a keeper that ends leaves nothing and loses its sandboxes", async () => {
  const other = await ociBackend({ rootfs, runtime, limits, metrics: makeMetrics(), log: makeLog("silent") });
  const sandbox = await other.factory.create({ memoryMb: 128 }, never);
  const { state } = other;
  await other.keeper.stop();
  await expect.poll(() => sandbox.lost.aborted).toBe(true);
  await sandbox.destroy();
  expect(readdirSync(`${state}/bundles`)).toEqual([]);
  expect(groupsOf(sandbox.id)).toEqual([]);
  await other.close();
});

test("a container in creation when its keeper is killed is removed by the next keeper", async () => {
  const options = { rootfs, runtime, limits, metrics: makeMetrics(), log: makeLog("silent") };
  const killed = await ociBackend(options);
  const asked: Promise<unknown>[] = [];
  let making: number | undefined;
  while (making === undefined && asked.length < CONTAINERS_ASKED_MAX) {
    asked.push(killed.factory.create({ memoryMb: 128 }, never));
    for (let look = 0; look < LOOKS_EACH && making === undefined; look++) {
      await new Promise((resolve) => setImmediate(resolve));
      making = runtimesOf(killed.keeper.pid).find(stopped);
    }
  }
  process.kill(killed.keeper.pid, "SIGKILL");
  await Promise.allSettled(asked);
  const left = await killed.containers();
  let ready = false;
  const coming = ociBackend({ ...options, state: killed.state }).finally(() => {
    ready = true;
  });
  // It waits for the runtime, or else it does not and is there before that.
  await expect.poll(() => ready || waitsForLock(`${killed.state}/making`), { timeout: 20_000 }).toBe(true);
  process.kill(making as number, "SIGCONT");
  const next = await coming;
  await expect.poll(() => existsSync(`/proc/${making}`), { timeout: 10_000 }).toBe(false);
  expect(left).not.toEqual([]);
  expect(await next.containers()).toEqual([]);
  expect(left.flatMap(groupsOf)).toEqual([]);
  await next.close();
});

test("a keeper ends with its parent, even if its folder is already gone", async () => {
  const state = `/run/code-interpreter-test-${randomUUID()}`;
  const program = fileURLToPath(new URL("../../dist/main/keeper.js", import.meta.url));
  const env = { ...process.env, ENGINE: "oci", OCI_STATE_DIR: state };
  const { child } = await startProgram([process.execPath, program], env, "the keeper makes sandboxes");
  const [keeper] = childrenOf(child.pid as number);
  rmSync(state, { recursive: true });
  child.kill("SIGKILL");
  await expect.poll(() => existsSync(`/proc/${keeper}`), { timeout: 20_000 }).toBe(false);
});

/** Processes inside that a zygote forked; what a runner forks is its own child. */
function runnersIn({ id }: Sandbox): number[] {
  const parents = zygotes();
  return processesOf(id).filter((pid) => parents.includes(parentOf(pid)));
}

/** Programs that make containers for a keeper now. */
function runtimesOf(keeper: number): number[] {
  const children = readdirSync(`/proc/${keeper}/task`).flatMap((thread) => procText(`${keeper}/task/${thread}/children`).split(" "));
  return children.filter((pid) => pid !== "" && commandOf(Number(pid)).includes("--detach")).map(Number);
}

/** Stops it; false when it had ended. */
function stopped(pid: number): boolean {
  process.kill(pid, "SIGSTOP");
  return /^State:\s+[TR]/m.test(procText(`${pid}/status`));
}

/** Whether some process waits for the lock of a file. */
function waitsForLock(file: string): boolean {
  const { ino } = statSync(file);
  return new RegExp(`-> FLOCK .*:${ino} `).test(readFileSync("/proc/locks", "utf8"));
}

/** Of this keeper: children of its process. */
function zygotes(): number[] {
  return childrenOf(backend.keeper.pid).filter((pid) => commandOf(pid).includes("runner.oci.zygote"));
}
