import { python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { plot } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";
import { bareProcesses } from "./harness/spawner.ts";

const CONCURRENCY_MAX = 4;

/** How many plots per second, compared with processes without a sandbox and with the other engine? */
export const measure: Measure = async (context) => {
  const bare = await bareProcesses(context, python(plot), CONCURRENCY_MAX);
  try {
    return await compareSaturated(context, {
      text: "oci: plot, 16 clients back to back, against bare processes",
      engine: "oci",
      code: plot,
      bare: bare.run,
      concurrencies: context.pick([1, 2, 3, CONCURRENCY_MAX], [2]),
      searchMs: context.pick(8_000, 4_000),
      warmUpMs: context.pick(4_000, 2_000),
      blockMs: context.pick(20_000, 8_000),
      blocks: context.pick(2, 1),
      ratioMin: 4,
      against: { text: "oci: plot, 16 clients back to back, against the Docker engine", engine: "docker", ratioMin: 5 },
    });
  } finally {
    await bare.close();
  }
};
