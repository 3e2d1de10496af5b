import { DelayedError, type Job } from "bullmq";

/** Gives another worker time to take the job. Its queue deadline keeps running. */
const REQUEUE_DELAY_MS = 500;
/** When the queue itself offers the job again, should this process end before it does. */
const FALLBACK_DELAY_MS = 5_000;

/**
 * Puts a job back unchanged, for any worker to take later. Always rejects, with the error that BullMQ expects for this.
 *
 * The job is offered by this worker, not by the clock: all workers wake up for a delayed job at the same moment, and the one that
 * connected to Redis first then takes it, each time. An offered job goes to the worker that has waited longest.
 */
export async function requeueLater(job: Job, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + FALLBACK_DELAY_MS, token);
  // It fails when the job has ended meanwhile, or Redis is away: then the queue offers it.
  const offer = () => void job.promote().catch(() => undefined);
  setTimeout(offer, REQUEUE_DELAY_MS).unref();
  throw new DelayedError();
}
