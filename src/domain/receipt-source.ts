import type { Provenance } from "./provenance.ts";
import type { ReadExecution } from "./result.ts";

/** Everything that a receipt is built from. */
export interface ReceiptSource {
  organization: string;
  execution: Omit<ReadExecution, "outputs">;
  args: readonly string[];
  stdin: string;
  /** Null when no sandbox produced the result. */
  provenance: Provenance | null;
}
