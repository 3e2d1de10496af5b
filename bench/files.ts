import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineName } from "../src/execution/status.ts";
import { call } from "./harness/command.ts";
import { bytesOf, copyIn, copyOut, ordinaryContainer } from "./harness/copy.ts";
import { percentile, round } from "./harness/numbers.ts";
import { type Service, startService } from "./harness/service.ts";
import type { Measure, Row } from "./harness/world.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const RATIO_MIN = 0.5;
/** What went before still ends: a container goes, another one comes. */
const SETTLE_MS = 2_500;
const read = `import os\nprint(os.path.getsize("in.bin"))`;
const write = `block = bytes(range(256)) * 4096\nwith open("out.bin", "wb") as file:\n    for _ in range(${SIZE / MIB}):\n        file.write(block)`;

/**
 * How fast does a large file go in and out, against `docker cp`? Both are commands that read and write a file on disk: curl with
 * a service, `docker` with a running container. The engine's copy without its command, from memory to memory, is told beside it.
 */
export const measure: Measure = async (world) => {
  const folder = await mkdtemp(join(tmpdir(), "code-interpreter-bench-files-"));
  const [source, target] = [join(folder, "in.bin"), join(folder, "out.bin")];
  const bytes = bytesOf(SIZE);
  await writeFile(source, bytes);
  const env = { LIMIT_FILE_OUT_BYTES_MAX: String(SIZE), LIMIT_FILES_OUT_BYTES_MAX: String(SIZE) };
  const services: Partial<Record<EngineName, Service>> = {};
  const container = await ordinaryContainer(world);
  const docker = (...args: string[]) => call("docker", args, { DOCKER_HOST: world.dockerHost });
  const seconds: Record<string, number[]> = {};
  const timed = async (name: string, work: () => Promise<unknown>) => {
    await sleep(SETTLE_MS);
    const started = performance.now();
    await work();
    seconds[name] = [...(seconds[name] ?? []), (performance.now() - started) / 1000];
  };
  try {
    for (const engine of ["docker", "oci"] as const) services[engine] = await startService(world, { engine, env });
    for (const service of Object.values(services)) await service.client.run("1");
    for (let round = 0; round < world.pick(7, 2); round++) {
      world.tell(`round ${round + 1}`);
      for (const [engine, service] of Object.entries(services)) {
        await timed(`${engine} in`, () => putIn(service, source));
        await timed(`${engine} out`, () => takeOut(service, target));
      }
      await timed("cp in", () => docker("cp", source, `${container.id}:/tmp/in.bin`));
      await timed("cp out", () => docker("cp", `${container.id}:/tmp/in.bin`, target));
      await timed("api in", () => copyIn(container, "in.bin", bytes));
      await timed("api out", () => copyOut(container, "in.bin"));
    }
  } finally {
    await container.remove({ force: true });
    for (const service of Object.values(services)) await service.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const row = (question: string, [ours, baseline]: [string, string], target = false): Row => {
    const [rate, baseRate] = [ours, baseline].map((name) => round(SIZE / MIB / percentile(seconds[name] ?? [], 0.5))) as [number, number];
    const ratio = round(rate / baseRate);
    const detail = { seconds: { ours: seconds[ours], baseline: seconds[baseline] } };
    const judged = target ? { target: `≥ ${RATIO_MIN}`, met: ratio >= RATIO_MIN } : { met: null };
    return { question, unit: "MiB/s", ours: rate, baseline: baseRate, ratio, detail, ...judged };
  };
  return [
    row("64 MiB file in: upload and an execution that has it, against `docker cp`", ["docker in", "cp in"], true),
    row("64 MiB file out: an execution that makes it and download, against `docker cp`", ["docker out", "cp out"], true),
    row("the same in, against the engine's copy from memory", ["docker in", "api in"]),
    row("the same out, against the engine's copy to memory", ["docker out", "api out"]),
    row("in, on the engine without Docker, against `docker cp`", ["oci in", "cp in"]),
    row("out, on the engine without Docker, against `docker cp`", ["oci out", "cp out"]),
  ];
};

async function putIn({ client, url, key }: Service, source: string): Promise<void> {
  const answer = await call("curl", ["-sSf", "-H", `Authorization: Bearer ${key}`, "-F", `file=@${source}`, `${url}/v1/files`]);
  const { id } = JSON.parse(answer) as { id: string };
  const { outputs } = await client.run(read, { files: [{ name: "in.bin", file_id: id }] });
  if (!outputs.some((output) => output.type === "text" && output.text.includes(String(SIZE)))) throw new Error("the file did not come in");
}

async function takeOut({ client, url, key }: Service, target: string): Promise<void> {
  const file = (await client.run(write)).outputs.find((output) => output.type === "file");
  if (file?.type !== "file" || file.bytes !== SIZE) throw new Error("the file did not come out");
  await call("curl", ["-sSf", "-H", `Authorization: Bearer ${key}`, "-o", target, `${url}${file.url}`]);
}
