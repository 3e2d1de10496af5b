import type { CellEnd, EngineSession, RunInput, RunPorts, SessionEngine } from "../../../src/domain/run.ts";
import { completedEnd } from "./fake-engine.ts";

export interface FakeCell {
  input: RunInput;
  stop: AbortSignal;
  /** Ends the cell. The session stays alive unless the end says otherwise. */
  finish(end?: Partial<CellEnd>): void;
}

/** A session whose cells end on the test's request, or at once. */
export class FakeSession implements EngineSession {
  readonly id: string;
  readonly memoryMb: number;
  readonly cells: FakeCell[] = [];
  readonly files: string[] = [];
  closed = 0;
  readonly #ended = new AbortController();
  readonly #engine: FakeSessionEngine;

  constructor(engine: FakeSessionEngine, spec: { id: string; memoryMb: number }) {
    this.#engine = engine;
    this.id = spec.id;
    this.memoryMb = spec.memoryMb;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  run(input: RunInput, _ports: RunPorts, stop: AbortSignal): Promise<CellEnd> {
    return new Promise((resolve) => {
      const finish = (end: Partial<CellEnd> = {}) => resolve({ ...completedEnd(input.code), removedFiles: [], ...end });
      const stopped = (alive: boolean, status: "cancelled" | "errored") =>
        finish({ status, cause: alive ? "cancelled" : "worker_lost", evidence: { session_alive: alive }, outcome: "ran_partly" });
      stop.addEventListener("abort", () => (stop.reason === "cancelled" ? stopped(true, "cancelled") : stopped(false, "errored")), {
        once: true,
      });
      this.cells.push({ input, stop, finish });
      this.#engine.notify();
      if (this.#engine.immediate) finish();
    });
  }

  async putFile(name: string): Promise<void> {
    this.files.push(name);
    this.#engine.notify();
  }

  async removeFile(name: string): Promise<void> {
    this.files.splice(this.files.indexOf(name), 1);
    this.#engine.notify();
  }

  async close(): Promise<void> {
    this.closed += 1;
    this.die();
    this.#engine.notify();
  }

  /** Its sandbox ends by itself. */
  die(): void {
    this.#ended.abort();
  }
}

export class FakeSessionEngine implements SessionEngine {
  readonly sessions: FakeSession[] = [];
  immediate = true;
  /** Thrown by the next call to open, once. */
  failNext: Error | null = null;
  #waiting: Array<() => void> = [];

  async openSession(spec: { id: string; memoryMb: number }): Promise<EngineSession> {
    const failure = this.failNext;
    this.failNext = null;
    if (failure !== null) throw failure;
    const session = new FakeSession(this, spec);
    this.sessions.push(session);
    return session;
  }

  of(id: string): FakeSession {
    const found = this.sessions.find((session) => session.id === id);
    if (found === undefined) throw new Error(`no session ${id}`);
    return found;
  }

  /** Resolves once `holds` returns true; checked at each event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  notify(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
