import { newId } from "../../../src/domain/ids.ts";
import type { Limits } from "../../../src/domain/limits.ts";
import { type Output, withoutFinalNewline } from "../../../src/domain/outputs.ts";
import type { CellEnd, EngineSession, RunPorts } from "../../../src/domain/run.ts";
import { type EngineUnderTest, startEngine } from "./engine.ts";

export interface CellOptions {
  timeoutMs?: number;
  stdin?: string;
  args?: string[];
  env?: Record<string, string>;
  stop?: AbortSignal;
  emit?: (output: Output) => void;
}

export type SessionsUnderTest = Awaited<ReturnType<typeof prepareSessions>>;

/** Sessions in real sandboxes, their files kept in memory. */
export async function prepareSessions(limits: Limits) {
  const engine: EngineUnderTest = await startEngine({ limits, poolSize: 1 });
  const open: EngineSession[] = [];
  const closeSessions = async () => {
    for (const session of open.splice(0)) await session.close();
  };
  return {
    engine,
    closeSessions,
    async begin(restoresCells = true) {
      const id = newId("container");
      const spec = { id, memoryMb: limits.memoryMbMax, restoresCells };
      const session = await engine.engine.openSession(spec, new AbortController().signal);
      open.push(session);
      return { session, ...cellsOf(session, id) };
    },
    async close() {
      await closeSessions();
      await engine.close();
    },
  };
}

/** A short way to run cells, and the files they left, by id. */
function cellsOf(session: EngineSession, id: string) {
  const stored = new Map<string, Buffer>();
  const ports = (emit: (output: Output) => void = () => undefined): RunPorts => ({
    openFile: async (fileId) => one(stored.get(fileId)),
    async saveFile(_file, bytes) {
      const parts: Uint8Array[] = [];
      for await (const part of bytes) parts.push(Uint8Array.from(part));
      const file_id = newId("file");
      const whole = Buffer.concat(parts);
      stored.set(file_id, whole);
      return { file_id, url: `/v1/files/${file_id}`, mime_type: "text/plain", bytes: whole.length, sha256: "0".repeat(64) };
    },
    emit: async (output) => emit(output),
  });
  const cell = (code: string, options: CellOptions = {}): Promise<CellEnd> => {
    const { timeoutMs = 10_000, stdin = "", args = [], env = {}, stop = new AbortController().signal } = options;
    const what = { code, args, stdin, env, timeoutMs, memoryMb: 512, files: [], session: id };
    return session.run({ id: newId("execution"), organization: "org", attempt: 1, ...what }, ports(options.emit), stop);
  };
  return { cell, stored, ports };
}

async function* one(bytes: Buffer | undefined): AsyncGenerator<Uint8Array> {
  if (bytes === undefined) throw new Error("no such file");
  yield bytes;
}

/** What a cell printed, without its final newline. */
export const textOf = (end: CellEnd, stream = "stdout") =>
  withoutFinalNewline(end.outputs.map((output) => (output.type === "text" && output.stream === stream ? output.text : "")).join(""));

export const filesOf = (end: CellEnd) =>
  end.outputs.flatMap((output) => (output.type === "file" ? [`${output.change} ${output.name}`] : []));

export const errorOf = (end: CellEnd) => end.outputs.find((output) => output.type === "error");
