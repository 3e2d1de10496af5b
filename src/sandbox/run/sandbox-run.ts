import type { Limits } from "../../domain/limits.ts";
import type { SandboxPackages } from "../../domain/packages.ts";
import type { FileHash, RunLimits } from "../../domain/provenance.ts";
import type { ExecutionEnd, Usage } from "../../domain/result.ts";
import type { RunInput, RunPorts, StopReason } from "../../domain/run.ts";
import { suggestionFor } from "../../domain/suggestion.ts";
import type { Sandbox } from "../sandbox.ts";
import { type DoneHead, doneFacts, parseDone } from "../wire/done-frame.ts";
import { type OutFrame, WireError } from "../wire/frames.ts";
import { runHead } from "../wire/run-head.ts";
import { InputLost, sendFile } from "../wire/send-file.ts";
import { type Bounds, classify, type FirstCause } from "./classify.ts";
import { RunOutputs } from "./outputs.ts";
import { ToolCalls } from "./tool-calls.ts";

/** How long the end of a run waits for the removal of its sandbox. A healthy engine needs a fraction of a second. */
export const REMOVAL_WAIT_MS_MAX = 10_000;

/** Runs one block of code in one sandbox, from input files to result. It does not discard the sandbox. */
export class SandboxRun {
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
    engine: null,
  };
  readonly #input: RunInput;
  readonly #ports: RunPorts;
  readonly #limits: Limits;
  readonly #packages: () => SandboxPackages | null;
  readonly #bounds: Bounds;
  readonly #outputs: RunOutputs;
  /** Written once, by the first cause. */
  #first: FirstCause | null = null;
  #killTimer: NodeJS.Timeout | undefined;
  #killAt = 0;
  /** Time left when the code opened its first tool call. */
  #deadlineLeftMs = 0;
  #tools: ToolCalls | null = null;
  #collecting = false;
  readonly #sent: FileHash[] = [];
  #codeSentAt: number | null = null;
  #runnerLives = false;
  #done: DoneHead | null = null;

  constructor(input: RunInput, ports: RunPorts, limits: Limits, packages: () => SandboxPackages | null = () => null) {
    this.#packages = packages;
    this.#input = input;
    this.#ports = ports;
    this.#limits = limits;
    this.#outputs = new RunOutputs(ports, limits);
    this.#bounds = {
      runTimeoutMs: input.timeoutMs,
      toolWaitMs: limits.toolWaitMsMax,
      memoryMb: input.memoryMb,
      outputStopBytes: limits.outputStopBytesMax,
      processes: limits.processesMax,
      folders: {
        "/mnt/data": { limit: "workingFolderMbMax", megabytes: limits.workingFolderMbMax },
        "/tmp": { limit: "tmpFolderMbMax", megabytes: limits.tmpFolderMbMax },
        "/dev/shm": { limit: "sharedMemoryMbMax", megabytes: limits.sharedMemoryMbMax },
      },
    };
  }

  /** Resolves with the first cause of the end. */
  async runIn(sandbox: Sandbox, stop: AbortSignal): Promise<FirstCause> {
    this.usage.engine = sandbox.engine;
    const onStop = () => this.#stop(sandbox, stop.reason as StopReason);
    stop.addEventListener("abort", onStop, { once: true });
    this.#tools = this.#openTools(sandbox);
    if (stop.aborted) onStop();
    try {
      if (await this.#sendInput(sandbox, stop)) await this.#readToEnd(sandbox);
    } catch (error) {
      if (error instanceof InputLost) this.#setFirstCause({ kind: "input_lost" });
      else if (!(error instanceof WireError)) throw error;
      // Writing to a lost sandbox throws WireError too. Only malformed frames are the sandbox's own fault.
      else if (!sandbox.lost.aborted) this.#setFirstCause({ kind: "malformed" });
    } finally {
      stop.removeEventListener("abort", onStop);
      this.#tools?.end();
      clearTimeout(this.#killTimer);
      this.#killTimer = undefined;
    }
    await this.#outputs.endText();
    return this.#first ?? { kind: "sandbox_ended", end: await sandbox.end() };
  }

  /** Whether the sandbox can take the next cell: the runner reported it, or never received this one. */
  get sessionAlive(): boolean {
    return this.#done === null ? this.#codeSentAt === null : this.#done.session_alive;
  }

  /** Whether the session goes on from its copy of before this cell. */
  get restored(): boolean {
    return this.#done?.restored === true;
  }

  /** Files of the working folder that the code has deleted. */
  get removedFiles(): string[] {
    return this.#done?.removed_files ?? [];
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
    const outputs = this.#outputs.list();
    const suggestion = verdict.cause === "exception" ? suggestionFor(outputs, this.#packages()) : null;
    return {
      ...verdict,
      evidence: { ...verdict.evidence, ...(suggestion === null ? {} : { suggestion }) },
      retry_safe: this.#isRetrySafe(first),
      outputs,
      usage: this.usage,
      truncated: this.#outputs.truncated,
      skipped_files: this.#outputs.skippedFiles,
      ...(this.#input.tools === undefined ? {} : { tool_calls: this.#tools?.records ?? [] }),
      provenance: { limits: runLimitsOf(this.#input, this.#limits), inputs: this.#sent, outputs: this.#outputs.stored },
    };
  }

  /**
   * A sandbox leaves nothing behind, so a retry repeats no effect, but for calls of the caller's tools. A cell may have changed its
   * session, unless its runner never showed that it had the code.
   */
  #isRetrySafe(first: FirstCause): boolean {
    if (this.#ports.tools?.mayHaveEffects() === true) return false;
    const hadCode = this.#codeSentAt !== null && (first.kind !== "silent" || this.#runnerLives);
    return this.#input.session === undefined || !hadCode;
  }

  neverStarted(stop: AbortSignal, acquireMs: number): ExecutionEnd {
    this.usage.acquire_ms = acquireMs;
    return this.end(stop.aborted ? { kind: "stopped", reason: stop.reason as StopReason } : { kind: "no_sandbox" });
  }

  #setFirstCause(cause: FirstCause): void {
    this.#first ??= cause;
  }

  /** Returns false when the run was stopped before its code was sent. */
  async #sendInput(sandbox: Sandbox, stop: AbortSignal): Promise<boolean> {
    this.#ports.phase?.("send");
    this.#killAfter(sandbox, this.#limits.inputTimeoutMsMax, { kind: "no_sandbox" });
    for (const file of this.#input.files) {
      this.#sent.push(await sendFile(sandbox, file.name, () => this.#ports.openFile(file.file_id)));
    }
    if (this.#first === null && this.#input.stdin !== "") {
      await sandbox.send({ kind: "stdin", body: Buffer.from(this.#input.stdin, "utf8") });
    }
    if (this.#first !== null) return false;
    await sandbox.send({ kind: "run", head: runHead(this.#input, this.#limits), body: Buffer.from(this.#input.code, "utf8") });
    this.#codeSentAt = performance.now();
    this.#ports.phase?.("run");
    this.#killAfter(sandbox, this.#limits.runnerSilenceMsMax, { kind: "silent" });
    // The run was stopped while its code was being sent, when there was nothing to interrupt yet.
    if (stop.aborted) this.#stop(sandbox, stop.reason as StopReason);
    return true;
  }

  async #readToEnd(sandbox: Sandbox): Promise<void> {
    const receive = () => sandbox.receive();
    for (let frame = await receive(); frame !== null; frame = await receive()) {
      this.#showLife(sandbox);
      if (frame.kind === "done") {
        this.#finish(parseDone(frame));
        return;
      }
      await this.#handleFrame(frame, sandbox, receive);
    }
  }

  async #handleFrame(frame: OutFrame, sandbox: Sandbox, receive: () => Promise<OutFrame | null>): Promise<void> {
    switch (frame.kind) {
      case "started":
        return;
      case "stdout":
      case "stderr":
        if (await this.#outputs.text(frame.kind, frame.body)) return;
        this.#setFirstCause({ kind: "output" });
        return sandbox.destroy();
      case "display":
        return this.#outputs.display(frame);
      case "error":
        return this.#outputs.error(frame);
      case "file":
        this.#collectFrom(sandbox);
        return this.#outputs.file(frame, receive);
      case "tool_call":
        if (this.#tools === null || this.#collecting) throw new WireError("tool_call frame without tools");
        return this.#tools.take(frame);
      case "tool_wait":
        return this.#tools?.waits();
      default:
        throw new WireError(`${frame.kind} frame during a run`);
    }
  }

  /** From its first frame on the runner enforces the time limit. The timer is for a runner that cannot. */
  #showLife(sandbox: Sandbox): void {
    if (this.#runnerLives) return;
    this.#runnerLives = true;
    if (this.#first === null) this.#killAfter(sandbox, this.#input.timeoutMs + this.#graceMs, { kind: "deadline" });
  }

  /** Time for a runner to end code that does not yield, and in a session to restore the state before it. */
  get #graceMs(): number {
    const { runKillGraceMs, sessionRestoreMsMax } = this.#limits;
    return runKillGraceMs + (this.#input.copies === true ? sessionRestoreMsMax : 0);
  }

  #openTools(sandbox: Sandbox): ToolCalls | null {
    const { tools } = this.#input;
    const port = this.#ports.tools;
    if (tools === undefined || port === undefined) return null;
    const onOpenChange = (open: boolean) => (open ? this.#pauseDeadline(sandbox) : this.#resumeDeadline(sandbox));
    return new ToolCalls({ tools, port, sandbox, limits: this.#limits, onOpenChange });
  }

  /** The runner's clock decides how long the code may wait for answers. This is for a runner that cannot. */
  #pauseDeadline(sandbox: Sandbox): void {
    if (this.#first !== null) return;
    this.#deadlineLeftMs = this.#killAt - performance.now();
    this.#killAfter(sandbox, this.#deadlineLeftMs + this.#limits.toolWaitMsMax, { kind: "deadline" });
  }

  #resumeDeadline(sandbox: Sandbox): void {
    if (this.#first !== null || this.#collecting) return;
    this.#killAfter(sandbox, this.#deadlineLeftMs, { kind: "deadline" });
  }

  #finish(done: DoneHead): void {
    this.#done = done;
    this.#tools?.end();
    this.#setFirstCause({ kind: "done", facts: doneFacts(done, this.#outputs.errno) });
    this.usage.run_ms = done.run_ms;
    this.usage.collect_ms = done.collect_ms;
    this.#ports.phase?.("collect", done.collect_ms);
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

  /** A cancellation lets the runner send its outputs within the grace period. A lost lock or a shutdown does not wait. */
  #stop(sandbox: Sandbox, reason: StopReason): void {
    this.#setFirstCause({ kind: "stopped", reason });
    if (reason === "cancelled" && this.#codeSentAt === null && this.#input.session !== undefined) return;
    if (reason !== "cancelled" || this.#codeSentAt === null) {
      void sandbox.destroy();
      return;
    }
    this.#killAfter(sandbox, this.#graceMs, { kind: "stopped", reason });
    sandbox.send({ kind: "interrupt" }).catch(() => sandbox.destroy());
  }

  /** The code has ended and its files are collected. All files share one deadline, regardless of their number. */
  #collectFrom(sandbox: Sandbox): void {
    if (this.#collecting) return;
    this.#collecting = true;
    this.#killAfter(sandbox, this.#limits.collectTimeoutMsMax + this.#limits.runKillGraceMs, { kind: "deadline" });
  }

  #killAfter(sandbox: Sandbox, delayMs: number, cause: FirstCause): void {
    clearTimeout(this.#killTimer);
    this.#killAt = performance.now() + delayMs;
    const kill = async () => {
      // Past its time limit a run is silent because of its code, unless the engine no longer reaches it.
      const reached = this.#killTimer !== timer || cause.kind !== "deadline" || (await sandbox.reachable());
      if (this.#killTimer !== timer) return;
      this.#setFirstCause(reached ? cause : { kind: "silent" });
      void sandbox.destroy();
    };
    // The event loop runs timers before sockets. After a delay of this process, read what the runner sent in time first.
    const timer = setTimeout(() => setImmediate(() => void kill()), delayMs);
    this.#killTimer = timer;
  }
}

function runLimitsOf(input: RunInput, limits: Limits): RunLimits {
  return {
    timeout_ms: input.timeoutMs,
    memory_mb: input.memoryMb,
    cpu_cores: limits.cpuCores,
    processes: limits.processesMax,
    working_folder_mb: limits.workingFolderMbMax,
    output_bytes: limits.outputStopBytesMax,
    files_out_bytes: limits.filesOutBytesMax,
  };
}

export function elapsedMs(since: number): number {
  return Math.round(performance.now() - since);
}
