import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BenchContext, Measure } from "./harness/context.ts";
import { round, summarize } from "./harness/numbers.ts";
import { startService } from "./harness/service.ts";

const CELL = "x += 1; print(x)";
const RATIO_MAX = 2;

/** How long does the next cell of a session take over HTTP, compared with an IPython kernel on this machine? */
export const measure: Measure = async (context) => {
  const kernel = await startKernel(context);
  const service = await startService(context);
  const ours: number[] = [];
  const bare: number[] = [];
  try {
    const made = await service.client.call("POST", "/v1/containers", "{}");
    if (made.status !== 200) throw new Error(`no container: HTTP ${made.status}`);
    const { id: container } = JSON.parse(made.body.toString("utf8")) as { id: string };
    await service.client.run("x = 0", { container });
    const cells = async (count: number) => {
      const taken: number[] = [];
      for (let at = 0; at < count; at++) {
        const started = performance.now();
        await service.client.run(CELL, { container });
        taken.push(performance.now() - started);
      }
      return taken;
    };
    const count = context.pick(100, 20);
    await cells(count);
    await kernel.cells(count);
    // Alternating, so that other load on the machine affects both.
    for (let block = 0; block < context.pick(10, 2); block++) {
      context.log(`block ${block + 1}`);
      ours.push(...(await cells(count)));
      bare.push(...(await kernel.cells(count)));
    }
  } finally {
    await service.stop();
    await kernel.stop();
  }
  const [oursSummary, bareSummary] = [summarize(ours, 0), summarize(bare, 0)];
  const ratio = round(oursSummary.p50 / bareSummary.p50);
  return [
    {
      question: `next cell of a session: ${CELL}`,
      unit: "ms p50",
      ours: oursSummary.p50,
      baseline: bareSummary.p50,
      ratio,
      target: `≤ ${RATIO_MAX}`,
      met: ratio <= RATIO_MAX,
      detail: { ours: oursSummary, baseline: bareSummary },
      notes: [
        `${oursSummary.count} of ours over HTTP: p99 ${oursSummary.p99} ms; IPython kernel over jupyter_client: p99 ${bareSummary.p99} ms`,
      ],
    },
  ];
};

/** Debian packages: python3-ipykernel, python3-jupyter-client. */
async function startKernel(context: BenchContext) {
  const child = spawn("/usr/bin/python3", [join(context.root, "bench/harness/ipython-kernel.py")], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("no IPython kernel; Debian: apt-get install python3-ipykernel python3-jupyter-client");
    return JSON.parse(value);
  };
  await answer();
  return {
    async cells(count: number): Promise<number[]> {
      child.stdin.write(`${count}\n`);
      return (await answer()) as number[];
    },
    async stop(): Promise<void> {
      child.stdin.end();
      await ended;
    },
  };
}
