import { bareCycle, pythonForPlots } from "./harness/bare.ts";
import { plot } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";
import type { Measure } from "./harness/world.ts";

/** How many plots per second, each in a new container? */
export const measure: Measure = (world) =>
  compareSaturated(world, {
    text: "pandas and matplotlib plot, 16 clients back to back",
    engine: "docker",
    code: plot,
    bare: () => bareCycle(world, pythonForPlots(plot)),
    concurrencies: world.pick([2, 3], [2]),
    searchMs: world.pick(8_000, 4_000),
    // Executions that start together end together at first. The rate is steady after the second round.
    warmUpMs: world.pick(8_000, 4_000),
    blockMs: world.pick(20_000, 8_000),
    blocks: world.pick(3, 1),
    ratioMin: 0.9,
  });
