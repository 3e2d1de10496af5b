import { compareAtRest } from "./harness/at-rest.ts";
import { python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { poissonArrivals } from "./harness/load.ts";
import { plot } from "./harness/programs.ts";
import { bareProcesses } from "./harness/spawner.ts";

const SPAWNERS = 8;

/** How long does a plot of a table take when the service is idle, as a share of its time without a service? */
export const measure: Measure = async (context) => {
  const bare = await bareProcesses(context, python(plot), SPAWNERS);
  try {
    return await compareAtRest(context, {
      text: "oci: plot at rest, at random twice a second, against a bare process",
      engine: "oci",
      code: plot,
      bare: bare.run,
      arrivals: (block) => poissonArrivals({ perSecond: 2, durationMs: context.pick(20_000, 5_000), seed: context.seed + block }),
      blocks: context.pick(2, 1),
      ratioMax: 0.25,
    });
  } finally {
    await bare.close();
  }
};
