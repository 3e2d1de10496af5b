import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOwnKernel } from "../../src/sandbox/own-kernel.ts";
import { attackProblems } from "../support/attacks/check.ts";
import { type Attack, parseAttack } from "../support/attacks/header.ts";
import { attackInput } from "../support/attacks/inputs.ts";
import { attackTools, CountedCalls } from "../support/attacks/tools.ts";
import {
  type EngineUnderTest,
  engineName,
  type Ran,
  runtimesRegistered,
  runtimesWanted,
  startEngine,
} from "../support/sandboxes/engine.ts";

const ATTACKS_MIN = 60;
/** Programs that run at one time, each on its own pool. */
const LANES = 2;
/** Programs of a lane before its next execution is checked with the canary. */
const BATCH = 8;
const TEST_TIMEOUT_MS = 300_000;

const folder = new URL(".", import.meta.url);
const attacks = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".py"))
  .sort()
  .map((name) => parseAttack(name, readFileSync(new URL(name, folder), "utf8")));
const toolsSocket = readFileSync(new URL("../support/attacks/tools-socket.py", import.meta.url), "utf8");
const canary = readFileSync(new URL("../support/attacks/canary.py", import.meta.url), "utf8");
const registered = await runtimesRegistered();

test(`there are at least ${ATTACKS_MIN} hostile programs`, () => {
  expect(attacks.length).toBeGreaterThanOrEqual(ATTACKS_MIN);
});

for (const runtime of runtimesWanted) {
  if (!registered.includes(runtime)) {
    console.info(`attacks are not run under ${runtime}: the engine has no such runtime, only ${registered.join(", ")}`);
    continue;
  }
  const { here, elsewhere } = split(attacks, runtime);
  for (const { file, endsSandbox } of here.filter((attack) => attack.endsSandbox?.runtime === runtime)) {
    console.info(`${file} may end the whole sandbox under ${runtime}: ${endsSandbox?.reason}`);
  }
  for (const { file, only, onlyEngine } of elsewhere)
    console.info(`${file} is not run under ${runtime}, only under ${(only ?? onlyEngine)?.runtime}: ${(only ?? onlyEngine)?.reason}`);

  describe(`under ${runtime}`, { timeout: TEST_TIMEOUT_MS }, () => {
    const free: Lane[] = [];
    const waiting: Array<(lane: Lane) => void> = [];
    const lanes: Lane[] = [];

    beforeAll(async () => {
      // An idle sandbox imports modules, which takes seconds under gVisor. So its pool keeps none.
      const poolSize = hasOwnKernel(runtime) ? 0 : 1;
      for (let lane = 0; lane < LANES; lane++) lanes.push({ under: await startEngine({ runtime, poolSize }), unchecked: [] });
      free.push(...lanes);
    });
    afterAll(async () => {
      for (const { under } of lanes) await under.close();
    });

    const inLane = async (work: (lane: Lane) => Promise<void>) => {
      const lane = free.pop() ?? (await new Promise<Lane>((resolve) => waiting.push(resolve)));
      try {
        await work(lane);
      } finally {
        const next = waiting.shift();
        if (next === undefined) free.push(lane);
        else next(lane);
      }
    };

    test.concurrent.each(here.map((attack) => [attack.file, attack] as const))("%s ends as it says and leaves no sandbox", (_, attack) =>
      inLane(async (lane) => {
        const { under, unchecked } = lane;
        const ran = await run(under, attack);
        expect(attackProblems(attack, ran, under.limits, runtime).join("; ")).toBe("");
        if (attack.twice) expect(linesInBoth(ran, await run(under, attack))).toEqual([]);
        await under.pool.settled();
        const containers = await under.containers();
        for (const { id } of under.pool.taken) expect(containers).not.toContain(id);
        const sandbox = under.pool.taken.at(-1);
        if (sandbox !== undefined) expect(await under.exists(sandbox.id)).toBe(false);
        unchecked.push(attack);
        if (unchecked.length >= BATCH) await expectUntouched(lane);
      }),
    );

    test.concurrent("a wrong verdict fails", () =>
      inLane(async ({ under }) => {
        const code = '# attack: none\n# verdict: incomplete timeout\n# prints: something else\nprint("breached: nothing")';
        const attack = parseAttack("wrong.py", code);
        const problems = attackProblems(attack, await run(under, attack), under.limits, runtime);
        expect(problems).toHaveLength(3);
        expect(problems[0]).toContain('ended "completed", not "incomplete timeout"');
        expect(problems[1]).toContain('did not print "something else"');
        expect(problems[2]).toContain('"breached" came out in a text output');
      }));

    test.concurrent("the canary notices a world that is not clean", () =>
      inLane(async ({ under }) => {
        const dirty = [
          'open("/tmp/left", "w").close()',
          'open("/dev/shm/left", "w").close()',
          "import os, time\nif os.fork() == 0: time.sleep(100)",
        ];
        for (const code of dirty) expect((await under.run(`${code}\n${canary}`)).text()).not.toBe("42");
      }));

    // Not concurrent, so it runs after all of the above.
    test("the executions after the last programs find nothing of them", async () => {
      for (const lane of lanes) await expectUntouched(lane);
    });
  });
}

interface Lane {
  under: EngineUnderTest;
  /** Programs that ran since the last canary. */
  unchecked: Attack[];
}

const untouched = { status: "completed", text: "42", stderr: "", files: [] };

/**
 * Fails unless the lane's next execution finds a clean world. On failure it runs each program of the batch again, with a
 * canary after each, to name the one that left something.
 */
async function expectUntouched({ under, unchecked }: Lane): Promise<void> {
  const batch = unchecked.splice(0);
  const found = await afterwards(under);
  if (isDeepStrictEqual(found, untouched)) return;
  const guilty: string[] = [];
  for (const attack of batch) {
    await run(under, attack);
    if (!isDeepStrictEqual(await afterwards(under), untouched)) guilty.push(attack.file);
  }
  const names = batch.map(({ file }) => file);
  expect({ ...found, after: guilty.length > 0 ? guilty : names }).toEqual(untouched);
}

/** What the execution after an attack finds. */
async function afterwards(under: EngineUnderTest): Promise<object> {
  const { end, text, files } = await under.run(canary);
  return { status: end.status, text: text(), stderr: text("stderr"), files: [...files] };
}

async function run(under: EngineUnderTest, attack: Attack): Promise<Ran> {
  const calls = attack.callsMax === null ? null : new CountedCalls();
  const ran = await under.run(calls === null ? attack.code : toolsSocket + attack.code, {
    timeoutMs: attack.timeoutMs,
    files: attack.inputs.map(({ name, kind }) => ({ name, bytes: attackInput(kind) })),
    ...(attack.memoryMb === null ? {} : { memoryMb: attack.memoryMb }),
    ...(calls === null ? {} : { tools: { declared: attackTools, port: calls, answerMs: 60_000 } }),
  });
  if (calls !== null) expect(calls.count).toBeLessThanOrEqual(attack.callsMax ?? 0);
  return ran;
}

function linesInBoth(first: Ran, second: Ran): string[] {
  const seen = new Set(first.text().split("\n"));
  return second
    .text()
    .split("\n")
    .filter((line) => seen.has(line));
}

function split(all: Attack[], runtime: string): { here: Attack[]; elsewhere: Attack[] } {
  // crun and runc leave the sandbox to the same kernel.
  const kernel = runtime === "crun" ? "runc" : runtime;
  const holds = (attack: Attack) =>
    (attack.only === null || attack.only.runtime === kernel) && (attack.onlyEngine === null || attack.onlyEngine.runtime === engineName);
  return { here: all.filter(holds), elsewhere: all.filter((attack) => !holds(attack)) };
}
