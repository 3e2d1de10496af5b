import { z } from "zod";
import { engines } from "./status.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A file identified by its content: an input sent into a sandbox, or a stored output. */
export const fileHash = z.object({ name: z.string(), bytes: z.number().int().nonnegative(), sha256 });
export type FileHash = z.infer<typeof fileHash>;

/** What a worker's sandboxes consist of. Measured once, before the worker takes jobs. */
export const sandboxFacts = z.object({
  engine: z.enum(engines),
  image_digest: z.string().nullable().describe("id of the image or of the root file system; null when the root file system is not sealed"),
  runner_sha256: sha256
    .nullable()
    .describe(
      "output of `find . -name '*.py' | LC_ALL=C sort | xargs sha256sum | sha256sum` in the runner's folder; null if it could not be read",
    ),
  seccomp_sha256: sha256.nullable().describe("of the seccomp profile; null under a runtime with its own kernel"),
});
export type SandboxFacts = z.infer<typeof sandboxFacts>;

/** The limits that applied to one run. */
export const runLimits = z.object({
  timeout_ms: z.number().int(),
  memory_mb: z.number().int(),
  cpu_cores: z.number(),
  processes: z.number().int(),
  working_folder_mb: z.number().int(),
  output_bytes: z.number().int(),
  files_out_bytes: z.number().int(),
});
export type RunLimits = z.infer<typeof runLimits>;

/** What went into and came out of one run, as the worker saw it. Stored with the result, for the receipt. */
export interface Provenance {
  limits: RunLimits;
  inputs: FileHash[];
  outputs: FileHash[];
  /** Absent until the worker adds it. */
  sandbox?: SandboxFacts | null;
}
