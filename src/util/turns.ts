import { Semaphore } from "./semaphore.ts";

interface Line {
  turns: Semaphore;
  /** Turns taken and waited for. */
  users: number;
}

/**
 * Work of many owners that share one event loop. Each owner has the same few turns at once, and the rest of its work
 * waits in the owner's own line, first in first out. So an owner with much work waits longer, and others do not.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #restMs: number;
  readonly #lines = new Map<string, Line>();

  /** `restMs` is how long a turn stays taken after its work, which bounds the turns of an owner in a second. */
  constructor(atOnce: number, restMs = 0) {
    this.#atOnce = atOnce;
    this.#restMs = restMs;
  }

  /** Work of the owner that waits for a turn. */
  waiting(owner: string): number {
    return Math.max(0, (this.#lines.get(owner)?.users ?? 0) - this.#atOnce);
  }

  /** Runs `work` in a turn of the owner. */
  async run<T>(owner: string, work: () => Promise<T>): Promise<T> {
    const release = await this.take(owner);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Runs `work`, which blocks the event loop, in a turn that ends after a pause of the same length: others come between. */
  async runBlocking<T>(owner: string, work: () => T | Promise<T>): Promise<T> {
    const release = await this.take(owner);
    const started = performance.now();
    try {
      return await work();
    } finally {
      setTimeout(release, performance.now() - started);
    }
  }

  /** Resolves with the function that ends the turn. Rejects with the signal's reason when aborted first. */
  async take(owner: string, signal?: AbortSignal): Promise<() => void> {
    const line = this.#lines.get(owner) ?? { turns: new Semaphore(this.#atOnce), users: 0 };
    this.#lines.set(owner, line);
    line.users += 1;
    const leave = () => {
      line.users -= 1;
      if (line.users === 0) this.#lines.delete(owner);
    };
    const release = await line.turns.acquire(signal).catch((error: unknown) => {
      leave();
      throw error;
    });
    const end = () => {
      release();
      leave();
    };
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (this.#restMs === 0) end();
      else setTimeout(end, this.#restMs);
    };
  }
}
