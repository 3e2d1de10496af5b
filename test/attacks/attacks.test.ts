import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOwnKernel } from "../../src/sandbox/own-kernel.ts";
import { attackProblems } from "../support/attack-check.ts";
import { type Attack, parseAttack } from "../support/attack-header.ts";
import { attackInput } from "../support/attack-inputs.ts";
import { type EngineUnderTest, engineName, type Ran, runtimesRegistered, runtimesWanted, startEngine } from "../support/engine.ts";

const ATTACKS_MIN = 60;
/** Attacks that run at one time, each on a pool of its own. */
const LANES = 2;
const TEST_TIMEOUT_MS = 180_000;

const folder = new URL(".", import.meta.url);
const attacks = readdirSync(folder)
  .filter((name) => name.endsWith(".py"))
  .sort()
  .map((name) => parseAttack(name, readFileSync(new URL(name, folder), "utf8")));
const canary = readFileSync(new URL("../support/attack-canary.py", import.meta.url), "utf8");
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

  describe.concurrent(`under ${runtime}`, { timeout: TEST_TIMEOUT_MS }, () => {
    const free: EngineUnderTest[] = [];
    const waiting: Array<(lane: EngineUnderTest) => void> = [];
    const lanes: EngineUnderTest[] = [];

    beforeAll(async () => {
      // What stands idle imports modules, which takes gVisor seconds; so there nothing does.
      const poolSize = hasOwnKernel(runtime) ? 0 : 1;
      for (let lane = 0; lane < LANES; lane++) lanes.push(await startEngine({ runtime, poolSize }));
      free.push(...lanes);
    });
    afterAll(async () => {
      for (const lane of lanes) await lane.close();
    });

    const inLane = async (work: (lane: EngineUnderTest) => Promise<void>) => {
      const lane = free.pop() ?? (await new Promise<EngineUnderTest>((resolve) => waiting.push(resolve)));
      try {
        await work(lane);
      } finally {
        const next = waiting.shift();
        if (next === undefined) free.push(lane);
        else next(lane);
      }
    };

    test.each(here.map((attack) => [attack.file, attack] as const))("%s ends as it says and leaves nothing behind", (_, attack) =>
      inLane(async (lane) => {
        const ran = await run(lane, attack);
        expect(attackProblems(attack, ran, lane.limits, runtime).join("; ")).toBe("");
        if (attack.twice) expect(linesInBoth(ran, await run(lane, attack))).toEqual([]);
        const sandbox = lane.pool.taken.at(-1);

        const after = await lane.run(canary);
        expect({ status: after.end.status, text: after.text(), stderr: after.text("stderr"), files: [...after.files] }).toEqual({
          status: "completed",
          text: "42",
          stderr: "",
          files: [],
        });

        await lane.pool.settled();
        for (const { id } of lane.pool.taken) expect(await lane.containers()).not.toContain(id);
        if (sandbox !== undefined) expect(await lane.exists(sandbox.id)).toBe(false);
      }),
    );

    test("a wrong verdict fails", () =>
      inLane(async (lane) => {
        const code = '# attack: none\n# verdict: incomplete timeout\n# prints: something else\nprint("breached: nothing")';
        const attack = parseAttack("wrong.py", code);
        const problems = attackProblems(attack, await run(lane, attack), lane.limits, runtime);
        expect(problems).toHaveLength(3);
        expect(problems[0]).toContain('ended "completed", not "incomplete timeout"');
        expect(problems[1]).toContain('did not print "something else"');
        expect(problems[2]).toContain('"breached" came out in a text output');
      }));

    test("the canary notices a world that is not clean", () =>
      inLane(async (lane) => {
        const dirty = [
          'open("/tmp/left", "w").close()',
          'open("/dev/shm/left", "w").close()',
          "import os, time\nif os.fork() == 0: time.sleep(100)",
        ];
        for (const code of dirty) expect((await lane.run(`${code}\n${canary}`)).text()).not.toBe("42");
      }));
  });
}

function run(lane: EngineUnderTest, attack: Attack): Promise<Ran> {
  return lane.run(attack.code, {
    timeoutMs: attack.timeoutMs,
    files: attack.inputs.map(({ name, kind }) => ({ name, bytes: attackInput(kind) })),
    ...(attack.memoryMb === null ? {} : { memoryMb: attack.memoryMb }),
  });
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
