import { setTimeout as sleep } from "node:timers/promises";
import { type Job, Worker } from "bullmq";

const PAUSE_MS = { first: 100, max: 3_000 };

/**
 * A worker of BullMQ that pauses after a failed attempt to take a job. BullMQ tries again at once, thousands of times a second
 * while Redis refuses writes.
 */
export class PatientWorker<Data> extends Worker<Data> {
  #pauseMs = PAUSE_MS.first;

  protected override async moveToActive(token: string, name?: string): Promise<Job<Data>> {
    try {
      const job = await super.moveToActive(token, name);
      this.#pauseMs = PAUSE_MS.first;
      return job;
    } catch (error) {
      await sleep(this.#pauseMs);
      this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.max);
      throw error;
    }
  }
}
