import { DelayedError, type Job } from "bullmq";

/** So that a worker that can do more for it has the time to come by; the deadline in the queue goes on. */
const GIVEN_BACK_MS = 500;

/** Puts a job back as it was, for any worker to take a little later. Always rejects, with what tells BullMQ so. */
export async function giveBack(job: Job, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + GIVEN_BACK_MS, token);
  throw new DelayedError();
}
