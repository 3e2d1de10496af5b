import type { ExecutionEnd, Usage } from "../execution/result.ts";
import type { Engine, RunInput, RunPorts, StopReason } from "../execution/run.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../observe/log.ts";
import { type OutFrame, type RunHead, WireError } from "../wire/frames.ts";
import { type Bounds, classify, type FirstCause } from "./classify.ts";
import { type DoneHead, doneFacts, parseDone } from "./done.ts";
import { RunOutputs } from "./outputs.ts";
import type { Pool, Taken } from "./pool.ts";
import { wantsPreloaded } from "./preload.ts";
import type { Sandbox } from "./sandbox.ts";

const FILE_CHUNK_BYTES = 256 * 1024;

export interface EngineOptions {
  pool: Pool;
  limits: Limits;
  log: Log;
}

/** Runs executions in sandboxes of a pool: take → send → collect → classify → destroy. */
export function makeEngine(options: EngineOptions): Engine {
  return { run: (input, ports, stop) => runInSandbox(options, input, ports, stop) };
}

async function runInSandbox(options: EngineOptions, input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<ExecutionEnd> {
  const { pool, limits, log } = options;
  const run = new Run(input, ports, limits);
  const acquiring = performance.now();
  let taken: Taken;
  try {
    const patience = AbortSignal.any([stop, AbortSignal.timeout(limits.sandboxStartTimeoutMsMax)]);
    taken = await pool.take({ memoryMb: input.memoryMb }, wantsPreloaded(input.code), patience);
  } catch (error) {
    if (!stop.aborted) log.error({ execution: input.id, err: error }, "no sandbox for an execution");
    return run.neverStarted(stop, elapsedMs(acquiring));
  }
  run.usage.acquire_ms = elapsedMs(acquiring);
  run.usage.warm = taken.warm;
  try {
    const first = await run.in(taken.sandbox, stop);
    // A caller who stopped it is told once the sandbox is gone; any other is not kept waiting for that.
    if (first.kind === "stopped") await taken.sandbox.destroy();
    if (first.kind === "malformed" || (first.kind === "sandbox_ended" && !first.end.oomKilled)) {
      log.warn({ execution: input.id, sandbox: taken.sandbox.id, first: first.kind }, "a sandbox was lost");
    }
    return run.end(first);
  } finally {
    void pool.discard(taken.sandbox);
  }
}

/** One execution in one sandbox, from its files to what it ended as. */
class Run {
  readonly usage: Usage = {
    queue_ms: 0,
    acquire_ms: 0,
    run_ms: 0,
    collect_ms: 0,
    cpu_ms: 0,
    memory_peak_bytes: 0,
    stdout_bytes: 0,
    stderr_bytes: 0,
    file_bytes: 0,
    warm: false,
  };
  readonly #input: RunInput;
  readonly #ports: RunPorts;
  readonly #limits: Limits;
  readonly #bounds: Bounds;
  readonly #outputs: RunOutputs;
  /** Written once: whatever happens first. */
  #first: FirstCause | null = null;
  #killTimer: NodeJS.Timeout | undefined;
  #codeSentAt: number | null = null;

  constructor(input: RunInput, ports: RunPorts, limits: Limits) {
    this.#input = input;
    this.#ports = ports;
    this.#limits = limits;
    this.#outputs = new RunOutputs(ports, limits);
    this.#bounds = {
      runTimeoutMs: input.timeoutMs,
      memoryMb: input.memoryMb,
      outputStopBytes: limits.outputStopBytesMax,
      processes: limits.processesMax,
      workingFolderMb: limits.workingFolderMbMax,
    };
  }

  /** Returns the first cause of the end. The sandbox is its taker's to destroy. */
  async in(sandbox: Sandbox, stop: AbortSignal): Promise<FirstCause> {
    const onStop = () => this.#stop(sandbox, stop.reason as StopReason);
    stop.addEventListener("abort", onStop, { once: true });
    if (stop.aborted) onStop();
    try {
      await this.#sendInput(sandbox);
      await this.#readToEnd(sandbox);
    } catch (error) {
      if (error instanceof InputLost) this.#firstIs({ kind: "input_lost" });
      else if (!(error instanceof WireError)) throw error;
      // Writing to a lost sandbox fails like this too; only bytes that were no frames are the sandbox's own doing.
      else if (!sandbox.lost.aborted) this.#firstIs({ kind: "malformed" });
    } finally {
      stop.removeEventListener("abort", onStop);
      clearTimeout(this.#killTimer);
    }
    await this.#outputs.endText();
    return this.#first ?? { kind: "sandbox_ended", end: await sandbox.end() };
  }

  end(first: FirstCause): ExecutionEnd {
    const verdict =
      this.#codeSentAt === null && first.kind !== "done"
        ? { ...classify(first, this.#bounds), outcome: "never_started" as const }
        : classify(first, this.#bounds);
    this.usage.stdout_bytes = Math.max(this.usage.stdout_bytes, this.#outputs.bytes.stdout);
    this.usage.stderr_bytes = Math.max(this.usage.stderr_bytes, this.#outputs.bytes.stderr);
    this.usage.file_bytes = this.#outputs.bytes.files;
    if (first.kind !== "done" && this.#codeSentAt !== null) this.usage.run_ms = elapsedMs(this.#codeSentAt);
    return {
      ...verdict,
      // A sandbox leaves nothing behind, so running the code again repeats no effect.
      retry_safe: true,
      outputs: this.#outputs.list(),
      usage: this.usage,
      truncated: this.#outputs.truncated,
      skipped_files: this.#outputs.skippedFiles,
    };
  }

  neverStarted(stop: AbortSignal, acquireMs: number): ExecutionEnd {
    this.usage.acquire_ms = acquireMs;
    return this.end(stop.aborted ? { kind: "stopped", reason: stop.reason as StopReason } : { kind: "no_sandbox" });
  }

  #firstIs(cause: FirstCause): void {
    this.#first ??= cause;
  }

  async #sendInput(sandbox: Sandbox): Promise<void> {
    for (const file of this.#input.files) {
      await sandbox.send({ kind: "file", head: { name: file.name } });
      for await (const bytes of this.#inputBytes(file.file_id)) {
        for (let offset = 0; offset < bytes.length; offset += FILE_CHUNK_BYTES) {
          await sandbox.send({ kind: "chunk", body: bytes.subarray(offset, offset + FILE_CHUNK_BYTES) });
        }
      }
      await sandbox.send({ kind: "file_end" });
    }
    if (this.#input.stdin !== "") await sandbox.send({ kind: "stdin", body: Buffer.from(this.#input.stdin, "utf8") });
    await sandbox.send({ kind: "run", head: runHead(this.#input, this.#limits), body: Buffer.from(this.#input.code, "utf8") });
    this.#codeSentAt = performance.now();
    // The runner keeps the time; this is for a runner that can not.
    this.#killAfter(sandbox, this.#input.timeoutMs + this.#limits.runKillGraceMs, { kind: "deadline" });
  }

  async *#inputBytes(fileId: string): AsyncGenerator<Uint8Array> {
    try {
      yield* await this.#ports.openFile(fileId);
    } catch (error) {
      throw new InputLost("an input file can not be read", { cause: error });
    }
  }

  async #readToEnd(sandbox: Sandbox): Promise<void> {
    const receive = () => sandbox.receive();
    for (let frame = await receive(); frame !== null; frame = await receive()) {
      if (frame.kind === "done") {
        this.#finish(parseDone(frame));
        return;
      }
      await this.#take(frame, sandbox, receive);
    }
  }

  async #take(frame: OutFrame, sandbox: Sandbox, receive: () => Promise<OutFrame | null>): Promise<void> {
    switch (frame.kind) {
      case "stdout":
      case "stderr":
        if (await this.#outputs.text(frame.kind, frame.body)) return;
        this.#firstIs({ kind: "output" });
        return sandbox.destroy();
      case "display":
        return this.#outputs.display(frame);
      case "error":
        return this.#outputs.error(frame);
      case "file":
        // The code has ended and its files come out: that has a clock of its own.
        this.#killAfter(sandbox, this.#limits.collectTimeoutMsMax + this.#limits.runKillGraceMs, { kind: "deadline" });
        return this.#outputs.file(frame, receive);
      default:
        throw new WireError(`${frame.kind} frame during a run`);
    }
  }

  #finish(done: DoneHead): void {
    this.#firstIs({ kind: "done", facts: doneFacts(done, this.#outputs.errno) });
    this.usage.run_ms = done.run_ms;
    this.usage.collect_ms = done.collect_ms;
    this.usage.cpu_ms = done.cpu_ms;
    this.usage.memory_peak_bytes = done.memory_peak_bytes;
    this.usage.stdout_bytes = done.stdout_bytes;
    this.usage.stderr_bytes = done.stderr_bytes;
    const { truncated } = this.#outputs;
    truncated.stdout ||= done.stdout_truncated;
    truncated.stderr ||= done.stderr_truncated;
    truncated.outputs ||= done.outputs_truncated;
    this.#outputs.skippedByRunner(done.skipped_files);
  }

  /** A cancel lets the runner hand over what there is, within the grace; a lost lock or a shutdown does not wait. */
  #stop(sandbox: Sandbox, reason: StopReason): void {
    this.#firstIs({ kind: "stopped", reason });
    if (reason !== "cancelled" || this.#codeSentAt === null) {
      void sandbox.destroy();
      return;
    }
    this.#killAfter(sandbox, this.#limits.runKillGraceMs, { kind: "stopped", reason });
    sandbox.send({ kind: "interrupt" }).catch(() => sandbox.destroy());
  }

  #killAfter(sandbox: Sandbox, delayMs: number, cause: FirstCause): void {
    clearTimeout(this.#killTimer);
    this.#killTimer = setTimeout(() => {
      this.#firstIs(cause);
      void sandbox.destroy();
    }, delayMs);
  }
}

/** An input that was there when the execution was accepted and is not any more. */
class InputLost extends Error {
  override name = "InputLost";
}

function runHead(input: RunInput, limits: Limits): RunHead {
  return {
    timeout_ms: input.timeoutMs,
    args: input.args,
    env: input.env,
    stdout_kept_bytes: limits.stdoutKeptBytesMax,
    stderr_kept_bytes: limits.stderrKeptBytesMax,
    output_stop_bytes: limits.outputStopBytesMax,
    outputs_count: limits.outputsCountMax,
    display_bytes: limits.displayBytesMax,
    displays_bytes: limits.displaysBytesMax,
    table_rows: limits.tableRowsMax,
    table_columns: limits.tableColumnsMax,
    chart_points: limits.chartPointsMax,
    text_value_bytes: limits.textValueBytesMax,
    traceback_lines: limits.tracebackLinesMax,
    files_count: limits.filesOutCountMax,
    file_bytes: limits.fileOutBytesMax,
    files_bytes: limits.filesOutBytesMax,
    collect_timeout_ms: limits.collectTimeoutMsMax,
  };
}

function elapsedMs(since: number): number {
  return Math.round(performance.now() - since);
}
