import type { ExecutionEnd } from "../../../src/domain/result.ts";
import type { Engine, RunInput, RunPorts, StopReason } from "../../../src/domain/run.ts";

export interface FakeRun {
  input: RunInput;
  ports: RunPorts;
  stop: AbortSignal;
  /** Ends the run as completed with the given text, or with any other end. */
  finish(end?: Partial<ExecutionEnd>): void;
  fail(error: Error): void;
}

/** An engine whose runs end on the test's request. A stopped run ends at once, like a killed one of the real engine. */
export class FakeEngine implements Engine {
  readonly runs: FakeRun[] = [];
  #arrived: Array<() => void> = [];
  /** Ends every run as soon as it starts. */
  immediate: boolean;

  constructor(options: { immediate?: boolean } = {}) {
    this.immediate = options.immediate ?? false;
  }

  run(input: RunInput, ports: RunPorts, stop: AbortSignal): Promise<ExecutionEnd> {
    return new Promise((resolve, reject) => {
      const finish = (end: Partial<ExecutionEnd> = {}) => resolve({ ...completedEnd(), ...end });
      const stopped = () => finish(stoppedEnd(stop.reason as StopReason));
      if (stop.aborted) return stopped();
      stop.addEventListener("abort", stopped, { once: true });
      this.runs.push({ input, ports, stop, finish, fail: reject });
      for (const arrived of this.#arrived.splice(0)) arrived();
      if (this.immediate) finish();
    });
  }

  /** Resolves with the n-th run, from 0, once it has started. */
  async started(index: number): Promise<FakeRun> {
    for (;;) {
      const run = this.runs[index];
      if (run !== undefined) return run;
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }
}

export function completedEnd(text = "hello"): ExecutionEnd {
  return {
    status: "completed",
    cause: null,
    evidence: { exit_code: 0 },
    outcome: "ran",
    retry_safe: true,
    outputs: [{ type: "text", stream: "stdout", text }],
    usage: {
      queue_ms: 0,
      acquire_ms: 1,
      run_ms: 2,
      collect_ms: 1,
      cpu_ms: 2,
      memory_peak_bytes: 1024,
      stdout_bytes: text.length,
      stderr_bytes: 0,
      file_bytes: 0,
      warm: true,
      engine: "docker",
    },
    truncated: { stdout: false, stderr: false, outputs: false, files: false },
    skipped_files: [],
  };
}

function stoppedEnd(reason: StopReason): Partial<ExecutionEnd> {
  return reason === "cancelled"
    ? { status: "cancelled", cause: "cancelled", outcome: "ran_partly" }
    : { status: "errored", cause: "worker_lost", outcome: "ran_partly" };
}
