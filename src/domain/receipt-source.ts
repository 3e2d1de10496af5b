import type { Provenance } from "./provenance.ts";
import type { Execution } from "./result.ts";

/** Everything that a receipt of one execution is made of. */
export interface ReceiptSource {
  organization: string;
  execution: Execution;
  args: readonly string[];
  stdin: string;
  /** Null for an end that no sandbox made. */
  provenance: Provenance | null;
}
