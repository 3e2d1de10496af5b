import { compareAtRest } from "./harness/at-rest.ts";
import { bareCycle, python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { poissonArrivals } from "./harness/load.ts";
import { print } from "./harness/programs.ts";

/** How long does the minimal program take when the service is idle? */
export const measure: Measure = (context) =>
  compareAtRest(context, {
    text: "print(1) at rest, arriving at random twice a second",
    engine: "docker",
    code: print,
    bare: () => bareCycle(context, python(print)),
    arrivals: (block) => poissonArrivals({ perSecond: 2, durationMs: context.pick(20_000, 5_000), seed: context.seed + block }),
    blocks: context.pick(3, 1),
    ratioMax: 0.15,
  });
