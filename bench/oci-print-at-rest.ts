import { compareAtRest } from "./harness/at-rest.ts";
import { python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { poissonArrivals } from "./harness/load.ts";
import { print } from "./harness/programs.ts";
import { bareProcesses } from "./harness/spawner.ts";

const SPAWNERS = 8;

/** Does an execution over HTTP return before `python3` itself would? */
export const measure: Measure = async (context) => {
  const bare = await bareProcesses(context, python(print), SPAWNERS);
  try {
    return await compareAtRest(context, {
      text: "oci: print(1) at rest, at random twice a second, against a bare process",
      engine: "oci",
      code: print,
      bare: bare.run,
      arrivals: (block) => poissonArrivals({ perSecond: 2, durationMs: context.pick(20_000, 5_000), seed: context.seed + block }),
      blocks: context.pick(3, 1),
      ratioMax: 1,
    });
  } finally {
    await bare.close();
  }
};
