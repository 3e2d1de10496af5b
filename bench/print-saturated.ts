import { bareCycle, python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { print } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";

/** How many minimal programs per second, each in a new container? */
export const measure: Measure = (context) =>
  compareSaturated(context, {
    text: "print(1), 16 clients back to back",
    engine: "docker",
    code: print,
    bare: () => bareCycle(context, python(print)),
    concurrencies: context.pick([2, 3, 4, 6, 8], [2, 4]),
    searchMs: context.pick(4_000, 2_000),
    warmUpMs: context.pick(2_000, 1_000),
    blockMs: context.pick(12_000, 4_000),
    blocks: context.pick(5, 1),
    ratioMin: 0.9,
  });
