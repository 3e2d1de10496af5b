import { DelayedError, type Job } from "bullmq";

/** Gives another worker time to take the job. Its queue deadline keeps running. */
const REQUEUE_DELAY_MS = 500;

/**
 * Puts a job back unchanged, for any worker to take later. Always rejects, with the error that BullMQ expects for this.
 */
export async function requeueLater(job: Job, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + REQUEUE_DELAY_MS, token);
  throw new DelayedError();
}
