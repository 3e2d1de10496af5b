import type { Limits } from "../../domain/limits.ts";
import type { SandboxPackages } from "../../domain/packages.ts";
import type { Evidence } from "../../domain/result.ts";
import type { CellEnd, EngineSession, RunInput, RunPorts, SessionSpec } from "../../domain/run.ts";
import type { FinalStatus } from "../../domain/status.ts";
import type { Log } from "../../observe/log.ts";
import { within } from "../../util/race.ts";
import type { Pool } from "../pool/pool.ts";
import type { Sandbox } from "../sandbox.ts";
import { sendFile } from "../wire/send-file.ts";
import { REMOVAL_WAIT_MS_MAX, SandboxRun } from "./sandbox-run.ts";

export interface SessionOptions {
  pool: Pool;
  limits: Limits;
  log: Log;
  packages?: (() => SandboxPackages | null) | undefined;
  /** Whether the runtime's forks are cheap enough for a copy before each cell. */
  forksCheaply: boolean;
}

/** Takes a sandbox that is kept from cell to cell, until it is closed or dies. */
export async function openSession(options: SessionOptions, spec: SessionSpec, signal: AbortSignal): Promise<EngineSession> {
  // The imports of its future cells are unknown, so it takes the most preloaded sandbox.
  const taken = await options.pool.take({ memoryMb: spec.memoryMb }, true, signal);
  options.pool.markIdle();
  return new SandboxSession(options, spec, taken.sandbox);
}

/** A cell that completed says nothing about its session unless something happened to it. */
function sessionEvidence(status: FinalStatus, alive: boolean, restored: boolean): Evidence {
  if (!alive) return { session_alive: false };
  if (restored) return { session_alive: true, restored: "before_cell" };
  return status === "completed" ? {} : { session_alive: true };
}

class SandboxSession implements EngineSession {
  readonly #options: SessionOptions;
  readonly #spec: SessionSpec;
  readonly #sandbox: Sandbox;
  #idle = true;
  #closed: Promise<void> | null = null;

  constructor(options: SessionOptions, spec: SessionSpec, sandbox: Sandbox) {
    this.#options = options;
    this.#spec = spec;
    this.#sandbox = sandbox;
  }

  get ended(): AbortSignal {
    return this.#sandbox.lost;
  }

  async run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<CellEnd> {
    const { limits, log } = this.#options;
    const { id, memoryMb, restoresCells } = this.#spec;
    const copies = restoresCells && this.#options.forksCheaply;
    const run = new SandboxRun({ ...input, memoryMb, session: id, copies }, ports, limits, this.#options.packages);
    run.usage.warm = true;
    this.#markInUse();
    try {
      const first = await run.runIn(this.#sandbox, stop);
      const alive = run.sessionAlive && !this.#sandbox.lost.aborted;
      if (!alive) {
        log.info({ session: id, execution: input.id, first: first.kind }, "a session ended with its cell");
        await within(this.close(), REMOVAL_WAIT_MS_MAX);
      }
      const end = run.end(first);
      return { ...end, evidence: { ...end.evidence, ...sessionEvidence(end.status, alive, run.restored) }, removedFiles: run.removedFiles };
    } catch (error) {
      await within(this.close(), REMOVAL_WAIT_MS_MAX);
      throw error;
    } finally {
      if (this.#closed === null) this.#markIdle();
    }
  }

  async putFile(name: string, fileId: string, ports: Pick<RunPorts, "openFile">): Promise<void> {
    await this.#withDeadline((late) => sendFile(this.#sandbox, name, () => ports.openFile(fileId), late));
  }

  async removeFile(name: string): Promise<void> {
    await this.#withDeadline(() => this.#sandbox.send({ kind: "remove", head: { name } }));
  }

  /** If the store is too slow, that file is lost. If the sandbox then accepts no frame either, the session is closed: it is stuck. */
  async #withDeadline(change: (late: AbortSignal) => Promise<unknown>): Promise<void> {
    const { inputTimeoutMsMax, runKillGraceMs } = this.#options.limits;
    const late = new AbortController();
    const storeTimeout = setTimeout(() => late.abort(), inputTimeoutMsMax);
    const sandboxTimeout = setTimeout(() => void this.close(), inputTimeoutMsMax + runKillGraceMs);
    try {
      await change(late.signal);
    } finally {
      clearTimeout(storeTimeout);
      clearTimeout(sandboxTimeout);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#discard();
    return this.#closed;
  }

  #discard(): Promise<void> {
    this.#markInUse();
    return this.#options.pool.discard(this.#sandbox);
  }

  #markInUse(): void {
    if (!this.#idle) return;
    this.#idle = false;
    this.#options.pool.markInUse();
  }

  #markIdle(): void {
    this.#idle = true;
    this.#options.pool.markIdle();
  }
}
