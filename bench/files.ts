import { bytesOf, copyIn, copyOut, ordinaryContainer } from "./harness/copy.ts";
import { percentile, round } from "./harness/numbers.ts";
import { startService } from "./harness/service.ts";
import type { Measure, Row } from "./harness/world.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const RATIO_MIN = 0.5;
const read = `import os\nprint(os.path.getsize("in.bin"))`;
const write = `block = bytes(range(256)) * 4096\nwith open("out.bin", "wb") as file:\n    for _ in range(${SIZE / MIB}):\n        file.write(block)`;

/** How fast do large files go in and out, against the engine's own copy? */
export const measure: Measure = async (world) => {
  const service = await startService(world, { env: { LIMIT_FILE_OUT_BYTES_MAX: String(SIZE), LIMIT_FILES_OUT_BYTES_MAX: String(SIZE) } });
  const container = await ordinaryContainer(world);
  const bytes = bytesOf(SIZE);
  const seconds: Record<"in" | "out" | "copyIn" | "copyOut", number[]> = { in: [], out: [], copyIn: [], copyOut: [] };
  const timed = async (name: keyof typeof seconds, work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    seconds[name].push((performance.now() - started) / 1000);
  };
  try {
    await service.client.run("1");
    for (let round = 0; round < world.pick(5, 2); round++) {
      world.tell(`round ${round + 1}`);
      await timed("in", async () => {
        const id = await service.client.upload("in.bin", bytes);
        await service.client.run(read, { files: [{ name: "in.bin", file_id: id }] });
      });
      await timed("copyIn", () => copyIn(container, "in.bin", bytes));
      await timed("out", async () => {
        const file = (await service.client.run(write)).outputs.find((output) => output.type === "file");
        if (file?.type !== "file") throw new Error("the file did not come out");
        const length = await service.client.download(file.url);
        if (length !== SIZE) throw new Error(`${length} bytes came out`);
      });
      await timed("copyOut", () => copyOut(container, "in.bin"));
    }
  } finally {
    await container.remove({ force: true });
    await service.stop();
  }
  const rate = (name: keyof typeof seconds) => round(SIZE / MIB / percentile(seconds[name], 0.5));
  const row = (question: string, ours: number, baseline: number): Row => {
    const ratio = round(ours / baseline);
    return { question, unit: "MiB/s", ours, baseline, ratio, target: `≥ ${RATIO_MIN}`, met: ratio >= RATIO_MIN, detail: { seconds } };
  };
  return [
    row("64 MiB file in: upload and an execution that has it", rate("in"), rate("copyIn")),
    row("64 MiB file out: an execution that makes it and download", rate("out"), rate("copyOut")),
  ];
};
