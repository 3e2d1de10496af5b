import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BenchContext, type Launcher, type Machine, type Measure, makeBenchContext, type Row } from "./context.ts";
import { renderTable } from "./table.ts";

/** The files of bench/ in the order of their measurement. */
const questions = [
  "print-at-rest",
  "plot-at-rest",
  "print-saturated",
  "plot-saturated",
  "burst",
  "cpu-per-execution",
  "overhead",
  "fairness",
  "files",
  "worker-memory",
  "neighbours",
  "session-cell",
  "tools",
  "oci-print-at-rest",
  "oci-plot-at-rest",
  "oci-print-saturated",
  "oci-plot-saturated",
  "oci-files",
  "oci-waiting",
  "oci-leaks",
  "oci-neighbours",
  "oci-cpu",
] as const;

const help = `Measures the service and its baselines in the same run.

  npm run bench                        all questions, about an hour
  npm run bench -- print-at-rest …     only these: ${questions.join(", ")}
      --quick                          few and short measurements, to check that everything works
      --seed 7                         seed of the random arrivals (default: 1)

The machine should be idle otherwise. The file questions need curl and docker. The table goes to stdout, all numbers to bench/results/latest.json.`;

/** Measures the named questions, or all. Returns the exit code: 1 if a target was missed or a question failed. */
export async function bench(args: readonly string[], machine: Machine, launcher: Launcher): Promise<number> {
  const options = {
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h" },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
  const unknown = positionals.filter((name) => !(questions as readonly string[]).includes(name));
  if (values.help === true || unknown.length > 0) {
    console.log(unknown.length > 0 ? `Unknown: ${unknown.join(", ")}\n\n${help}` : help);
    return unknown.length > 0 ? 2 : 0;
  }
  let current = "";
  const log = (text: string) => process.stderr.write(`  ${current}: ${text}\n`);
  const context = makeBenchContext(machine, launcher, { seed: Number(values.seed), quick: values.quick, log });
  const startedAt = new Date();
  const rows: Row[] = [];
  const failed: Record<string, string> = {};
  for (const question of questions.filter((name) => positionals.length === 0 || positionals.includes(name))) {
    current = question;
    const started = performance.now();
    try {
      const { measure } = (await import(`../${question}.js`)) as { measure: Measure };
      rows.push(...(await measure(context)));
    } catch (error) {
      // A failed question must not stop the others.
      failed[question] = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log(`failed: ${failed[question]}`);
    }
    log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  console.log(`\n${renderTable(rows)}`);
  if (values.quick) console.log("\nMeasured with --quick: it shows that the questions work, not what the answers are.");
  const about = { startedAt, quick: values.quick, seed: context.seed, machine: await aboutMachine(context) };
  writeResults(context.root, { ...about, rows, failed });
  context.engine.close();
  return rows.some((row) => row.met === false) || Object.keys(failed).length > 0 ? 1 : 0;
}

async function aboutMachine(context: BenchContext): Promise<Record<string, unknown>> {
  const engine = (await context.engine.control.version()) as { Version: string };
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    engine: engine.Version,
  };
}

function writeResults(root: string, results: object): void {
  const folder = join(root, "bench/results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "latest.json"), `${JSON.stringify(results, null, 2)}\n`);
}
