import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type { Queue } from "bullmq";

const HIDDEN = "hidden";

/**
 * A queue for the queue page, which shows ids, times and counts but no job data. With `readOnlyMode`, the page cannot
 * pause the queue, alone or with the others.
 */
export function boardQueue(queue: Queue, description: string, { readOnlyMode = false } = {}): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, { description, allowRetries: false, readOnlyMode });
  for (const field of ["data", "returnValue", "progress"] as const) adapter.setFormatter(field, () => HIDDEN);
  return adapter;
}
