import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineName } from "../../src/domain/status.ts";
import { call } from "./command.ts";
import type { BenchContext, Row } from "./context.ts";
import { bytesOf, copyIn, copyOut, ordinaryContainer } from "./copy.ts";
import { percentile, round } from "./numbers.ts";
import { type Service, startService } from "./service.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
/** Time for the previous container's removal and its replacement. */
const SETTLE_MS = 2_500;
const read = `import os\nprint(os.path.getsize("in.bin"))`;
const write = `block = bytes(range(256)) * 4096\nwith open("out.bin", "wb") as file:\n    for _ in range(${SIZE / MIB}):\n        file.write(block)`;

/** Seconds of each copy, in the order of the rounds. */
export interface Copies {
  in: number[];
  out: number[];
}

/** Times of one file in and out, at rest. */
export interface FileCopies {
  /** curl with the service: upload and an execution that reads the file; an execution that writes it and download. */
  service: Copies;
  /** `docker cp` with a running container. As with curl, the other end is a file in the temporary folder. */
  command: Copies;
  /** The engine's API, which that command uses, from and to memory. */
  engine: Copies;
}

/** Copies one file of 64 MiB in each of these ways in turn. */
export async function measureCopies(context: BenchContext, engine: EngineName): Promise<FileCopies> {
  const copies: FileCopies = { service: { in: [], out: [] }, command: { in: [], out: [] }, engine: { in: [], out: [] } };
  const timed = async (seconds: number[], work: () => Promise<unknown>) => {
    await sleep(SETTLE_MS);
    const started = performance.now();
    await work();
    seconds.push((performance.now() - started) / 1000);
  };
  const folder = await mkdtemp(join(tmpdir(), "code-interpreter-bench-files-"));
  const ends: Array<() => Promise<unknown>> = [() => rm(folder, { recursive: true, force: true })];
  try {
    const [source, target, bytes] = [join(folder, "in.bin"), join(folder, "out.bin"), bytesOf(SIZE)];
    await writeFile(source, bytes);
    const container = await ordinaryContainer(context);
    ends.push(() => container.remove({ force: true }));
    const env = { LIMIT_FILE_OUT_BYTES_MAX: String(SIZE), LIMIT_FILES_OUT_BYTES_MAX: String(SIZE) };
    const service = await startService(context, { engine, env });
    ends.push(() => service.stop());
    const docker = (...args: string[]) => call("docker", args, { DOCKER_HOST: context.dockerHost });
    await service.client.run("1");
    for (let round = 0; round < context.pick(7, 2); round++) {
      context.log(`round ${round + 1}`);
      await timed(copies.service.in, () => putIn(service, source));
      await timed(copies.command.in, () => docker("cp", source, `${container.id}:/tmp/in.bin`));
      await timed(copies.engine.in, () => copyIn(container, "in.bin", bytes));
      await timed(copies.service.out, () => takeOut(service, target));
      await ensureSize(target);
      await timed(copies.command.out, () => docker("cp", `${container.id}:/tmp/in.bin`, target));
      await ensureSize(target);
      await timed(copies.engine.out, () => copyOut(container, "in.bin"));
    }
  } finally {
    for (const end of ends.reverse()) await end().catch((error: unknown) => context.log(`clean-up failed: ${String(error)}`));
  }
  return copies;
}

/** Their medians as throughput, as one row of the table. */
export function rowOf(question: string, ours: number[], baseline: number[], ratioMin?: number): Row {
  const [rate, baseRate] = [round(SIZE / MIB / percentile(ours, 0.5)), round(SIZE / MIB / percentile(baseline, 0.5))];
  const ratio = round(rate / baseRate);
  const judged = ratioMin === undefined ? { met: null } : { target: `≥ ${ratioMin}`, met: ratio >= ratioMin };
  return { question, unit: "MiB/s", ours: rate, baseline: baseRate, ratio, detail: { seconds: { ours, baseline } }, ...judged };
}

async function putIn({ client, url, key }: Service, source: string): Promise<void> {
  const { id } = JSON.parse(await curl(key, "-F", `file=@${source}`, `${url}/v1/files`)) as { id: string };
  const { outputs } = await client.run(read, { files: [{ name: "in.bin", file_id: id }] });
  if (!outputs.some((output) => output.type === "text" && output.text.includes(String(SIZE)))) throw new Error("the file did not come in");
}

async function takeOut({ client, url, key }: Service, target: string): Promise<void> {
  const file = (await client.run(write)).outputs.find((output) => output.type === "file");
  if (file?.type !== "file") throw new Error("the file did not come out");
  await curl(key, "-o", target, `${url}${file.url}`);
}

function curl(key: string, ...args: string[]): Promise<string> {
  // Ignores curl's configuration file and proxy variables: the service is local.
  return call("curl", ["-q", "-sSf", "--noproxy", "*", "-H", `Authorization: Bearer ${key}`, ...args]);
}

async function ensureSize(path: string): Promise<void> {
  const { size } = await stat(path);
  if (size !== SIZE) throw new Error(`${size} bytes came out`);
  await rm(path);
}
