import type { Log } from "../../observe/log.ts";

/** The executions of this worker whose calls wait for answers. Redis says which has one; a sweep finds those that it lost to say. */
export class AnswerWatch {
  readonly #takers = new Map<string, () => Promise<void>>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(id: string, take: () => Promise<void>): void {
    this.#takers.set(id, take);
  }

  remove(id: string): void {
    this.#takers.delete(id);
  }

  notify(id: string): void {
    this.#takers
      .get(id)?.()
      .catch((error: unknown) => {
        this.#log.warn({ execution: id, err: error }, "answers of tools could not be taken; trying again");
      });
  }

  notifyAll(): void {
    for (const id of this.#takers.keys()) this.notify(id);
  }
}
