import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { release } from "node:os";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../src/domain/limits.ts";
import { makeLog } from "../../src/observe/log.ts";
import { makeMetrics } from "../../src/observe/metrics.ts";
import { OciSandboxFactory } from "../../src/sandbox/oci/factory.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { runtimesWanted } from "../support/sandboxes/engine.ts";
import { ociBackend } from "../support/sandboxes/oci-backend.ts";
import { groupsOf, processesOf, runIn } from "../support/sandboxes/oci-sandbox.ts";
import { childrenOf, parentOf } from "../support/sandboxes/processes.ts";

const limits = makeLimits();
const never = new AbortController().signal;
const rootfs = process.env.SANDBOX_ROOTFS ?? "";
const here = runtimesWanted.includes("runsc");
if (!here) console.info(`gVisor as OCI runtime is not tested: the runtimes of this machine are ${runtimesWanted.join(", ")}`);

describe.skipIf(!here)("a container with its own kernel", () => {
  let backend: Awaited<ReturnType<typeof ociBackend>>;
  beforeAll(async () => {
    backend = await ociBackend({ rootfs, runtime: "runsc", limits, metrics: makeMetrics(), log: makeLog("silent") });
  });
  afterAll(() => backend?.close());

  const taken: Sandbox[] = [];
  afterEach(async () => {
    for (const sandbox of taken.splice(0)) await sandbox.destroy();
  });
  async function take(memoryMb = 256): Promise<Sandbox> {
    const sandbox = await backend.factory.create({ memoryMb }, never);
    taken.push(sandbox);
    return sandbox;
  }

  test("has its runner before any code arrives, and another kernel than the host's", async () => {
    const sandbox = await take();
    expect(await runIn(sandbox, "import os; print(os.getpid() > 1, os.getuid(), os.uname().release)")).toMatch(/^True 65532 /);
    const other = await take();
    expect(await runIn(other, "import os; print(os.uname().release)")).not.toBe(release());
  });

  test("preloads modules on request, as nothing forks them into it", async () => {
    const sandbox = await take();
    await sandbox.send({ kind: "preload", head: { module: "numpy" } });
    expect(await sandbox.receive()).toMatchObject({ kind: "preloaded", head: { module: "numpy", ok: true } });
    expect(await runIn(sandbox, "import sys; print('numpy' in sys.modules)")).toBe("True");
  });

  test("can be joined only once", async () => {
    const sandbox = await take();
    for (const kind of ["A", "P"]) {
      const again = connect(backend.keeper.socket);
      again.write(`${kind}${sandbox.id}`);
      again.resume();
      await once(again, "close");
      expect(again.bytesRead).toBe(0);
    }
    expect(await runIn(sandbox, "print(1)")).toBe("1");
  });

  test("carries more than a pipe's capacity in both directions", async () => {
    const sandbox = await take();
    const bytes = 700_000;
    expect(await runIn(sandbox, `text = ${JSON.stringify("x".repeat(bytes))}\nprint(text)`)).toHaveLength(bytes);
  });

  const refusedAfter = (begun: string) =>
    `import os, threading, time\nbegun = 0\ntry:\n  while begun < 500:\n    ${begun}\n    begun += 1\nexcept (OSError, RuntimeError): print(begun)`;

  test.each([
    ["processes", "if os.fork() == 0: os._exit(time.sleep(60))"],
    ["threads", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"],
  ])("refuses %s beyond the limit, and up to it has room for its kernel's overhead", async (_, begun) => {
    const count = Number(await runIn(await take(512), refusedAfter(begun)));
    expect(count).toBeGreaterThan(limits.processesMax - 6);
    expect(count).toBeLessThan(limits.processesMax);
  });

  test("has its own cgroups, and its kernel runs as an unprivileged account on the host", async () => {
    const sandbox = await take();
    expect(groupsOf(sandbox.id).length).toBeGreaterThan(0);
    const inside = processesOf(sandbox.id).filter((pid) => !readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("runsc-gofer"));
    expect(inside.length).toBeGreaterThan(0);
    for (const pid of inside) expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\s+65534\s/m);
  });

  test("ends with its worker's connection, and leaves no folder, cgroup or process", async () => {
    const sandbox = await take();
    const pids = processesOf(sandbox.id);
    expect(await runIn(sandbox, "import subprocess; subprocess.Popen(['sleep', '100']); print(1)")).toBe("1");
    await sandbox.destroy();
    expect(await backend.exists(sandbox.id)).toBe(false);
    expect(readdirSync("/proc").filter((name) => pids.includes(Number(name)))).toEqual([]);
  });

  test("leaves nothing when it is killed from outside, and no zombie at the keeper after many processes inside", async () => {
    const sandbox = await take();
    const inside = processesOf(sandbox.id).filter((pid) => parentOf(pid) !== backend.keeper.pid);
    expect(inside.length).toBeGreaterThan(0);
    for (const pid of inside) process.kill(pid, "SIGKILL");
    await sandbox.destroy();
    expect(await backend.exists(sandbox.id)).toBe(false);

    const busy = await take();
    const code = "import os, time\nfor _ in range(20):\n    if os.fork() == 0: os._exit(time.sleep(60))\nprint(1)";
    expect(await runIn(busy, code)).toBe("1");
    await busy.destroy();
    expect(await backend.exists(busy.id)).toBe(false);
    // What ends a moment after its group is gone goes with the next.
    await expect
      .poll(async () => {
        await (await take()).destroy();
        return childrenOf(backend.keeper.pid).length;
      })
      .toBeLessThan(5);
  });

  test("whose kernel is killed is lost, and the cause is reported", async () => {
    const sandbox = await take();
    await backend.kill(sandbox.id);
    expect(await sandbox.receive()).toBeNull();
    expect(await sandbox.end()).toMatchObject({ oomKilled: false, ...("exit_code" in backend.killedEvidence ? { exitCode: 137 } : {}) });
  });

  test("is refused by a worker configured for another runtime", async () => {
    const factory = new OciSandboxFactory({ socket: backend.keeper.socket, ownKernel: false, limits, metrics: makeMetrics() });
    await expect(factory.create({ memoryMb: 128 }, never)).rejects.toThrow("OCI_RUNTIME: only the keeper's is runsc");
    await factory.settled();
    expect(await backend.containers()).toEqual([]);
  });
});

test.skipIf(!here)("the next keeper removes what a killed one left, including a gVisor kernel", async () => {
  const options = { rootfs, runtime: "runsc", limits, metrics: makeMetrics(), log: makeLog("silent") };
  const killed = await ociBackend(options);
  const sandbox = await killed.factory.create({ memoryMb: 128 }, never);
  const pids = processesOf(sandbox.id);
  process.kill(killed.keeper.pid, "SIGKILL");
  await expect.poll(() => sandbox.lost.aborted).toBe(true);
  const next = await ociBackend({ ...options, state: killed.state });
  expect(await next.exists(sandbox.id)).toBe(false);
  expect(readdirSync("/proc").filter((name) => pids.includes(Number(name)))).toEqual([]);
  await next.close();
});

test.skipIf(!here)("a keeper with gVisor logs its cost in one line", async () => {
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const other = await ociBackend({ rootfs, runtime: "runsc", limits, metrics: makeMetrics(), log });
  await other.close();
  expect(lines.filter((line) => line.includes("each waiting sandbox holds an interpreter and a kernel of its own"))).toHaveLength(1);
});
