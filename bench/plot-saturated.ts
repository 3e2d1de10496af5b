import { bareCycle, pythonForPlots } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { plot } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";

/** How many plots per second, each in a new container? */
export const measure: Measure = (context) =>
  compareSaturated(context, {
    text: "pandas and matplotlib plot, 16 clients back to back",
    engine: "docker",
    code: plot,
    bare: () => bareCycle(context, pythonForPlots(plot)),
    concurrencies: context.pick([2, 3], [2]),
    searchMs: context.pick(8_000, 4_000),
    // Executions that start together end together at first. The rate is steady after the second round.
    warmUpMs: context.pick(8_000, 4_000),
    blockMs: context.pick(20_000, 8_000),
    blocks: context.pick(3, 1),
    ratioMin: 0.9,
  });
