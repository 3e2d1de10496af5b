import { python } from "./harness/bare.ts";
import type { Measure } from "./harness/context.ts";
import { print } from "./harness/programs.ts";
import { compareSaturated } from "./harness/saturated.ts";
import { bareRuns } from "./harness/spawner.ts";

const CONCURRENCY_MAX = 8;

/** How many minimal programs per second, compared with the OCI runtime alone and with the other engine? */
export const measure: Measure = async (context) => {
  const bare = await bareRuns(context, python(print), CONCURRENCY_MAX);
  try {
    return await compareSaturated(context, {
      text: `oci: print(1), 16 clients back to back, against ${context.ociRuntime} run of it`,
      engine: "oci",
      code: print,
      bare: bare.run,
      concurrencies: context.pick([1, 2, 3, 4, 6, CONCURRENCY_MAX], [2, 4]),
      searchMs: context.pick(4_000, 2_000),
      warmUpMs: context.pick(2_000, 1_000),
      blockMs: context.pick(12_000, 4_000),
      blocks: context.pick(3, 1),
      ratioMin: 1,
      against: { text: "oci: print(1), 16 clients back to back, against the Docker engine", engine: "docker", ratioMin: 5 },
    });
  } finally {
    await bare.close();
  }
};
