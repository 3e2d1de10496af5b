import type { Measure } from "./harness/context.ts";
import { compareNeighbours } from "./harness/neighbours.ts";

/** What does an organization feel of another that attacks it, where containers are made ahead? */
export const measure: Measure = (context) => compareNeighbours(context, "oci");
