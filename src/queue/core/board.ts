import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type { Queue } from "bullmq";

const HIDDEN = "hidden";

/**
 * A queue as the queue page may show it: ids, times and counts. What a job carries stays here. With `readOnlyMode` it is not
 * paused there either, not even with all the others.
 */
export function boardQueue(queue: Queue, description: string, { readOnlyMode = false } = {}): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, { description, allowRetries: false, readOnlyMode });
  for (const field of ["data", "returnValue", "progress"] as const) adapter.setFormatter(field, () => HIDDEN);
  return adapter;
}
