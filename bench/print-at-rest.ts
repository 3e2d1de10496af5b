import { compareAtRest } from "./harness/at-rest.ts";
import { bareCycle, python } from "./harness/bare.ts";
import { poissonArrivals } from "./harness/load.ts";
import { print } from "./harness/programs.ts";
import type { Measure } from "./harness/world.ts";

/** How long does the minimal program take when the service is idle? */
export const measure: Measure = (world) =>
  compareAtRest(world, {
    text: "print(1) at rest, arriving at random twice a second",
    engine: "docker",
    code: print,
    bare: () => bareCycle(world, python(print)),
    arrivals: (block) => poissonArrivals({ perSecond: 2, durationMs: world.pick(20_000, 5_000), seed: world.seed + block }),
    blocks: world.pick(3, 1),
    ratioMax: 0.15,
  });
