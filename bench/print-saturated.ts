import { bareCycle, python } from "./harness/bare.ts";
import { print } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";
import type { Measure } from "./harness/world.ts";

/** How many minimal programs per second, each in a new container? */
export const measure: Measure = (world) =>
  compareSaturated(world, {
    text: "print(1), 16 clients back to back",
    engine: "docker",
    code: print,
    bare: () => bareCycle(world, python(print)),
    concurrencies: world.pick([2, 3, 4, 6, 8], [2, 4]),
    searchMs: world.pick(4_000, 2_000),
    warmUpMs: world.pick(2_000, 1_000),
    blockMs: world.pick(12_000, 4_000),
    blocks: world.pick(5, 1),
    ratioMin: 0.9,
  });
