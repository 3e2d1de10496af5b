import type { CallAnswer, Executions, Idempotency, Submission } from "../../../src/app/ports.ts";
import { ServiceError } from "../../../src/domain/errors.ts";
import { newId } from "../../../src/domain/ids.ts";
import type { Output } from "../../../src/domain/outputs.ts";
import type { Execution, ExecutionEnd, ExecutionEvent } from "../../../src/domain/result.ts";
import { isFinal } from "../../../src/domain/status.ts";
import { exactSeconds } from "../../../src/domain/time.ts";
import type { PendingCall } from "../../../src/domain/tools.ts";

interface Stored {
  organization: string;
  execution: Execution;
  submission: Submission;
  events: Array<{ id: string; event: ExecutionEvent }>;
}

/** The queue's API side in memory. A test ends executions itself with `end`. */
export class FakeExecutions implements Executions {
  readonly stored = new Map<string, Stored>();
  readonly #idempotent = new Map<string, { bodySha256: string; id: string }>();
  readonly #waiters = new Set<() => void>();
  readonly #onAnswers = new Map<string, (answers: readonly CallAnswer[]) => void>();
  /** Called for each accepted submission; by default the execution stays queued. */
  onSubmit: (id: string) => void = () => {};
  /** Whether a session takes code; there are none by default. */
  hasContainer: (id: string) => boolean = () => false;
  /** Thrown by the next call, once. */
  failNext: Error | null = null;

  async submit(submission: Submission) {
    this.#failIfTold();
    const { organization, request, idempotency } = submission;
    if (request.container !== undefined && !this.hasContainer(request.container))
      throw new ServiceError("container_not_found", { param: "container" });
    if (idempotency !== null) {
      const earlier = await this.replay(organization, idempotency);
      if (earlier !== null) return { execution: earlier, replayed: true };
    }
    const now = exactSeconds(Date.now());
    const execution: Execution = {
      type: "code_interpreter_call",
      id: newId("execution"),
      status: "queued",
      cause: null,
      evidence: {},
      code: request.code,
      container_id: request.container ?? null,
      outputs: [],
      usage: null,
      truncated: { stdout: false, stderr: false, outputs: false, files: false },
      skipped_files: [],
      outcome: null,
      retry_safe: false,
      attempt: 0,
      created_at: now,
      started_at: null,
      completed_at: null,
      expires_at: now + 86_400,
      metadata: request.metadata,
    };
    this.stored.set(execution.id, { organization, execution, submission, events: [] });
    if (idempotency !== null)
      this.#idempotent.set(`${organization} ${idempotency.key}`, { bodySha256: idempotency.bodySha256, id: execution.id });
    this.onSubmit(execution.id);
    return { execution, replayed: false };
  }

  async replay(organization: string, idempotency: Idempotency) {
    this.#failIfTold();
    const earlier = this.#idempotent.get(`${organization} ${idempotency.key}`);
    if (earlier === undefined) return null;
    if (earlier.bodySha256 !== idempotency.bodySha256) throw new ServiceError("idempotency_mismatch");
    return this.get(organization, earlier.id);
  }

  async get(organization: string, id: string) {
    this.#failIfTold();
    const found = this.stored.get(id);
    return found?.organization === organization ? found.execution : null;
  }

  /** Passes the answers to the one that called `pend`. */
  async answerCalls(organization: string, id: string, answers: readonly CallAnswer[]) {
    const found = await this.get(organization, id);
    if (found === null) throw new ServiceError("execution_not_found");
    const waiting = new Set(found.pending_calls?.map((call) => call.call_id));
    if (answers.some(({ callId }) => !waiting.has(callId))) throw new ServiceError("tool_call_not_waiting");
    const stored = this.#found(id);
    const { pending_calls: _, ...execution } = stored.execution;
    stored.execution = { ...execution, status: "in_progress" };
    this.#onAnswers.get(id)?.(answers);
  }

  async list(organization: string, page: { after?: string; limit: number; order: "asc" | "desc" }) {
    this.#failIfTold();
    const all = [...this.stored.values()].filter((one) => one.organization === organization).map((one) => one.execution);
    if (page.order === "desc") all.reverse();
    const from = page.after === undefined ? 0 : all.findIndex((one) => one.id === page.after) + 1;
    if (page.after !== undefined && from === 0) throw new ServiceError("execution_not_found", { param: "after" });
    return { data: all.slice(from, from + page.limit), hasMore: all.length > from + page.limit };
  }

  /** The code calls tools, and waits. `onAnswers` receives the answers. */
  pend(id: string, calls: PendingCall[], onAnswers: (answers: readonly CallAnswer[]) => void): void {
    const found = this.#found(id);
    found.execution = { ...found.execution, status: "requires_action", pending_calls: calls };
    this.#onAnswers.set(id, onAnswers);
    for (const { call_id, name, arguments: args } of calls)
      this.#addEvent(found, { type: "execution.tool_call", call_id, name, arguments: args });
  }

  async waitForEnd(organization: string, id: string, timeoutMs: number, signal: AbortSignal) {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const execution = await this.get(organization, id);
      if (execution === null) throw new ServiceError("execution_not_found");
      const left = until - Date.now();
      if (isFinal(execution.status) || execution.status === "requires_action" || left <= 0) return execution;
      await this.#change(left, signal);
      signal.throwIfAborted();
    }
  }

  async *events(organization: string, id: string, afterEventId: string | null, signal: AbortSignal) {
    this.#failIfTold();
    const found = this.stored.get(id);
    if (found?.organization !== organization) throw new ServiceError("execution_not_found");
    let next = afterEventId === null ? 0 : found.events.findIndex((one) => one.id === afterEventId) + 1;
    while (!signal.aborted) {
      for (; next < found.events.length; next += 1) yield found.events[next] as Stored["events"][number];
      if (isFinal(found.execution.status)) return;
      await this.#change(60_000, signal);
    }
  }

  async cancel(organization: string, id: string) {
    const execution = await this.get(organization, id);
    if (execution === null) return null;
    if (!isFinal(execution.status)) this.end(id, { status: "cancelled", cause: "cancelled", outcome: "never_started", retry_safe: true });
    return this.get(organization, id);
  }

  async delete(organization: string, id: string) {
    const execution = await this.get(organization, id);
    if (execution === null) return false;
    if (!isFinal(execution.status)) throw new ServiceError("execution_running");
    this.stored.delete(id);
    return true;
  }

  start(id: string): void {
    const found = this.#found(id);
    found.execution = { ...found.execution, status: "in_progress", attempt: 1, started_at: exactSeconds(Date.now()) };
    this.#addEvent(found, { type: "execution.started", attempt: 1 });
  }

  output(id: string, output: Output): void {
    const found = this.#found(id);
    found.execution = { ...found.execution, outputs: [...found.execution.outputs, output] };
    this.#addEvent(found, { type: "execution.output", output });
  }

  end(id: string, end: Partial<ExecutionEnd> = {}): void {
    const found = this.#found(id);
    const usage = {
      queue_ms: 1,
      acquire_ms: 2,
      run_ms: 3,
      collect_ms: 0,
      cpu_ms: 3,
      memory_peak_bytes: 1024,
      stdout_bytes: 2,
      stderr_bytes: 0,
      file_bytes: 0,
      warm: true,
      engine: "docker" as const,
    };
    const { pending_calls: _, ...execution } = found.execution;
    found.execution = {
      ...execution,
      status: "completed",
      outcome: "ran",
      retry_safe: false,
      usage,
      completed_at: exactSeconds(Date.now()),
      ...end,
    };
    this.#addEvent(found, { type: "execution.ended", execution: found.execution });
  }

  #found(id: string): Stored {
    const found = this.stored.get(id);
    if (found === undefined) throw new Error(`no execution ${id}`);
    return found;
  }

  #addEvent(found: Stored, event: ExecutionEvent): void {
    found.events.push({ id: `1700000000000-${found.events.length}`, event });
    for (const wake of this.#waiters) wake();
  }

  #change(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  #failIfTold(): void {
    const error = this.failNext;
    this.failNext = null;
    if (error !== null) throw error;
  }
}
