import { z } from "zod";
import type { DoneFacts } from "../run/classify.ts";
import { type OutFrame, runEnds, WireError } from "./frames.ts";

/** A number that the runner's kernel does not report is null. */
const count = z
  .number()
  .nonnegative()
  .nullable()
  .default(null)
  .transform((value) => Math.round(value ?? 0));
const REMOVED_FILES_MAX = 10_000;
const REMOVED_NAME_CHARS_MAX = 1_024;
const doneHead = z.object({
  end: z.enum(runEnds),
  exit_code: z.number().int().nullable().default(null),
  signal: z.string().max(20).nullable().default(null),
  run_ms: count,
  collect_ms: count,
  cpu_ms: count,
  memory_peak_bytes: count,
  oom_kills: count,
  processes_refused: count,
  full_folder: z.string().max(64).nullable().default(null),
  stdout_bytes: count,
  stderr_bytes: count,
  outputs_truncated: z.boolean().default(false),
  stdout_truncated: z.boolean().default(false),
  stderr_truncated: z.boolean().default(false),
  skipped_files: z.unknown(),
  session_alive: z.boolean().default(false),
  restored: z.boolean().default(false),
  removed_files: z.array(z.string().max(REMOVED_NAME_CHARS_MAX)).max(REMOVED_FILES_MAX).default([]),
});
export type DoneHead = z.infer<typeof doneHead>;

export function parseDone(frame: OutFrame): DoneHead {
  const parsed = doneHead.safeParse(frame.head);
  if (!parsed.success) throw new WireError("done frame does not say how the run ended", { cause: parsed.error });
  return parsed.data;
}

export function doneFacts(done: DoneHead, errno: number | null): DoneFacts {
  return {
    end: done.end,
    exitCode: done.exit_code,
    signal: done.signal,
    oomKills: done.oom_kills,
    processesRefused: done.processes_refused,
    memoryPeakBytes: done.memory_peak_bytes,
    fullFolder: done.full_folder,
    errno,
  };
}
