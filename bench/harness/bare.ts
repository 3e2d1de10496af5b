import { readFileSync } from "node:fs";
import { join } from "node:path";
import { containerOptions } from "../../src/sandbox/docker/profile.ts";
import { FIRST_UID } from "../../src/sandbox/docker/uids.ts";
import type { BenchContext } from "./context.ts";

const CYCLE_MS_MAX = 60_000;
const LIFETIME_MS = 10 * 60_000;

/**
 * The baseline: one container through the engine's API, locked down exactly like a sandbox (create, attach, start, wait,
 * remove). Returns the program's output.
 */
export async function bareCycle(context: BenchContext, command: string[]): Promise<string> {
  const { control, stream } = context.engine;
  const deadline = Date.now() + LIFETIME_MS;
  const options = containerOptions(
    { uid: FIRST_UID, mark: "bare", memoryMb: context.limits.memoryMbMax },
    {
      image: context.image,
      runtime: "runc",
      seccomp: JSON.stringify(seccompOf(context.root)),
      limits: context.limits,
      serviceId: "bench",
      workerId: "bench",
      deadline,
    },
  );
  const container = await control.createContainer({ ...options, Entrypoint: command, Cmd: [] });
  try {
    const socket = await stream.getContainer(container.id).attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    const output: Buffer[] = [];
    socket.on("data", (data: Buffer) => output.push(data.subarray(8)));
    socket.on("error", () => undefined);
    await container.start();
    const abortSignal = AbortSignal.timeout(CYCLE_MS_MAX);
    const end = (await stream.getContainer(container.id).wait({ abortSignal })) as { StatusCode: number };
    (socket as unknown as { destroy(): void }).destroy();
    const text = Buffer.concat(output).toString("utf8");
    if (end.StatusCode !== 0) throw new Error(`a bare container ended with ${end.StatusCode}: ${text.slice(0, 500)}`);
    return text;
  } finally {
    await container.remove({ force: true, v: true });
  }
}

/** `python3 -c` with the code as process 1. */
export function python(code: string): string[] {
  return ["/usr/bin/python3", "-c", code];
}

/** The same with the runner's settings for plots: the image's font list, and one thread. */
export function pythonForPlots(code: string): string[] {
  const home = "/tmp/.matplotlib";
  const script = `cp -rs /opt/matplotlib ${home}; MPLCONFIGDIR=${home} OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 exec /usr/bin/python3 -c "$0"`;
  return ["/bin/sh", "-c", script, code];
}

let profile: object | null = null;
export function seccompOf(root: string): object {
  profile ??= JSON.parse(readFileSync(join(root, "sandbox-image/seccomp.json"), "utf8")) as object;
  return profile;
}
