import { z } from "zod";
import { engines } from "./status.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A file by its content: what was sent into a sandbox, or kept of what came out. */
export const fileHash = z.object({ name: z.string(), bytes: z.number().int().nonnegative(), sha256 });
export type FileHash = z.infer<typeof fileHash>;

/** What a worker's sandboxes are made of; measured once, before the worker takes work. */
export const sandboxFacts = z.object({
  engine: z.enum(engines),
  image_digest: z.string().nullable().describe("id of the image, or of the root file system; null where nobody sealed it"),
  runner_sha256: sha256
    .nullable()
    .describe("as `sha256sum *.py | sha256sum` says inside the runner's folder; null where it could not be read"),
  seccomp_sha256: sha256.nullable().describe("of the list of system calls; null under a runtime with a kernel of its own"),
});
export type SandboxFacts = z.infer<typeof sandboxFacts>;

/** The bounds that applied to one run. */
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

/** What the worker saw go in and come out of one run; kept with the end, for its receipt. */
export interface Provenance {
  limits: RunLimits;
  inputs: FileHash[];
  outputs: FileHash[];
  /** Absent until the worker adds it. */
  sandbox?: SandboxFacts | null;
}
