import type { Limits } from "../../domain/limits.ts";
import type { CellEnd, EngineSession, RunInput, RunPorts } from "../../domain/run.ts";
import type { Log } from "../../observe/log.ts";
import type { Pool } from "../pool/pool.ts";
import type { Sandbox } from "../sandbox.ts";
import { sendFile } from "../wire/send-file.ts";
import { SandboxRun } from "./sandbox-run.ts";

export interface SessionOptions {
  pool: Pool;
  limits: Limits;
  log: Log;
}

/** Takes a sandbox that lives from cell to cell, until it is closed or dies. */
export async function openSession(
  options: SessionOptions,
  spec: { id: string; memoryMb: number },
  signal: AbortSignal,
): Promise<EngineSession> {
  // What its cells will import can not be known, so it may as well have what there is.
  const taken = await options.pool.take({ memoryMb: spec.memoryMb }, true, signal);
  options.pool.rest();
  return new SandboxSession(options, spec, taken.sandbox);
}

class SandboxSession implements EngineSession {
  readonly #options: SessionOptions;
  readonly #spec: { id: string; memoryMb: number };
  readonly #sandbox: Sandbox;
  #resting = true;
  #closed: Promise<void> | null = null;

  constructor(options: SessionOptions, spec: { id: string; memoryMb: number }, sandbox: Sandbox) {
    this.#options = options;
    this.#spec = spec;
    this.#sandbox = sandbox;
  }

  get ended(): AbortSignal {
    return this.#sandbox.lost;
  }

  async run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<CellEnd> {
    const { limits, log } = this.#options;
    const run = new SandboxRun({ ...input, memoryMb: this.#spec.memoryMb, session: this.#spec.id }, ports, limits);
    run.usage.warm = true;
    this.#wake();
    try {
      const first = await run.in(this.#sandbox, stop);
      const alive = run.sessionAlive && !this.#sandbox.lost.aborted;
      if (!alive) {
        log.info({ session: this.#spec.id, execution: input.id, first: first.kind }, "a session ended with its cell");
        await this.close();
      }
      const end = run.end(first);
      const told = alive && end.status === "completed" ? {} : { session_alive: alive };
      return { ...end, evidence: { ...end.evidence, ...told }, removedFiles: run.removedFiles };
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      if (this.#closed === null) this.#rest();
    }
  }

  async putFile(name: string, fileId: string, ports: Pick<RunPorts, "openFile">): Promise<void> {
    await this.#inTime((late) => sendFile(this.#sandbox, name, () => ports.openFile(fileId), late));
  }

  async removeFile(name: string): Promise<void> {
    await this.#inTime(() => this.#sandbox.send({ kind: "remove", head: { name } }));
  }

  /** A store that does not give a file in time costs that file. A sandbox that then takes nothing either ends: nothing could go on in it. */
  async #inTime(change: (late: AbortSignal) => Promise<unknown>): Promise<void> {
    const { inputTimeoutMsMax, runKillGraceMs } = this.#options.limits;
    const late = new AbortController();
    const tooLate = setTimeout(() => late.abort(), inputTimeoutMsMax);
    const stuck = setTimeout(() => void this.close(), inputTimeoutMsMax + runKillGraceMs);
    try {
      await change(late.signal);
    } finally {
      clearTimeout(tooLate);
      clearTimeout(stuck);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#discard();
    return this.#closed;
  }

  #discard(): Promise<void> {
    this.#wake();
    return this.#options.pool.discard(this.#sandbox);
  }

  #wake(): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.#options.pool.wake();
  }

  #rest(): void {
    this.#resting = true;
    this.#options.pool.rest();
  }
}
