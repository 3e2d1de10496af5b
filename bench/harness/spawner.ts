import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { interpreterOf } from "../../src/sandbox/oci/keeper.ts";
import { containerConfig, IDS_PER_SANDBOX, SANDBOX_UID } from "../../src/sandbox/oci/profile.ts";
import { findRuntime } from "../../src/sandbox/oci/programs.ts";
import { parentOfStates } from "../../src/sandbox/oci/state-folder.ts";
import { seccompOf } from "./bare.ts";
import type { BenchContext } from "./context.ts";

const FIRST_HOST_ID = 0x6000_0000;
const CGROUP = "/code-interpreter-bench";

/** Runs the same program repeatedly without the service. */
export interface Bare {
  /** Runs it once; returns its output. */
  run(): Promise<string>;
  /** The processes that start it. */
  readonly pids: readonly number[];
  close(): Promise<void>;
}

/** Plain processes: the image's interpreter in its root file system, without a sandbox. */
export async function bareProcesses(context: BenchContext, command: string[], concurrency: number): Promise<Bare> {
  const home = ["/bin/cp", "-rs", "/opt/matplotlib", "/tmp/.matplotlib"];
  const start = async () => {
    const spawner = await Spawner.start(context, null);
    await spawner.run(home);
    return spawner;
  };
  return poolOf(await all(concurrency, start), () => command);
}

/** `crun run` of the command in a container locked down exactly like a sandbox. */
export async function bareRuns(context: BenchContext, command: string[], concurrency: number): Promise<Bare> {
  const runtime = findRuntime(context.ociRuntime);
  let number = 0;
  const start = () => Spawner.start(context, { command, number: number++ });
  return poolOf(await all(concurrency, start), ({ state }) => [
    runtime,
    "--root",
    join(state, "runtime"),
    "run",
    "--bundle",
    state,
    state.split("/").at(-1) as string,
  ]);
}

function poolOf(spawners: Spawner[], commandOf: (spawner: Spawner) => string[]): Bare {
  const free = [...spawners];
  return {
    pids: spawners.map(({ pid }) => pid),
    async run() {
      const spawner = free.pop();
      if (spawner === undefined) throw new Error("more bare programs at one time than there are spawners");
      try {
        return await spawner.run(commandOf(spawner));
      } finally {
        free.push(spawner);
      }
    },
    close: async () => void (await Promise.all(spawners.map((spawner) => spawner.close()))),
  };
}

function all<T>(count: number, start: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, start));
}

/** A process that spawns on request. The image's interpreter runs it, so the machine needs none. */
class Spawner {
  readonly state: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(state: string, child: ChildProcess) {
    this.state = state;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  }

  static async start(context: BenchContext, container: { command: string[]; number: number } | null): Promise<Spawner> {
    const { root, rootfs } = context;
    const state = mkdtempSync(join(parentOfStates(), "code-interpreter-bench-"));
    const [command, ...args] = interpreterOf(rootfs) as [string, ...string[]];
    const child = spawn(command, [...args, join(root, "bench/harness/spawner.py")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const spawner = new Spawner(state, child);
    const config = container === null ? null : configOf(context, container);
    const ready = once(spawner.#lines, "line");
    child.stdin?.write(`${JSON.stringify({ state, rootfs, config })}\n`);
    await ready;
    return spawner;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async run(command: string[]): Promise<string> {
    const answer = once(this.#lines, "line") as Promise<[string]>;
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const [code, text] = JSON.parse((await answer)[0]) as [number, string];
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${text.slice(0, 500)}`);
    return text;
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** A sandbox's config.json with the program as process 1, under the account of code. */
function configOf({ root, rootfs, limits }: BenchContext, { command, number }: { command: string[]; number: number }) {
  const ids = { first: FIRST_HOST_ID + number * IDS_PER_SANDBOX, few: false };
  const spec = { memoryMb: limits.memoryMbMax, ids, cgroupsPath: `${CGROUP}/${process.pid}-${number}` };
  const made = containerConfig(spec, { rootfs, seccomp: seccompOf(root), limits });
  return { ...made, process: { ...made.process, args: command, cwd: "/tmp", user: { uid: SANDBOX_UID, gid: SANDBOX_UID } } };
}
