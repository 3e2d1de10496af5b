import { compareAtRest } from "./harness/at-rest.ts";
import { bareCycle, pythonForPlots } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { regularArrivals } from "./harness/load.ts";
import { plot } from "./harness/programs.ts";

/** How long does a plot of a table take when the service is idle? */
export const measure: Measure = (context) =>
  compareAtRest(context, {
    text: "pandas and matplotlib plot to PNG at rest, every 2 s",
    engine: "docker",
    code: plot,
    bare: () => bareCycle(context, pythonForPlots(plot)),
    arrivals: () => regularArrivals({ everyMs: 2_000, durationMs: context.pick(20_000, 6_000) }),
    blocks: context.pick(2, 1),
    ratioMax: 0.25,
  });
