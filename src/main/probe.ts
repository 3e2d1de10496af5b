import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { startOperations } from "./api-part.ts";
import { type ProcessContext, runProcess } from "./process.ts";

const TIMEOUT_MS = 30_000;
/** The objective: an answer within this time. */
const SLOW_MS = 10_000;

/** What became of one probe. `refused`: a 4xx, such as a wrong key. `wrong`: an answer, but not the code's output. */
type ProbeResult = "ok" | "slow" | "wrong" | "refused" | "failed" | "unreachable";

/**
 * A caller from outside: runs a tiny execution again and again through the public API, and counts what becomes of it. It knows
 * neither Redis nor the queue, so it sees what callers see.
 */
await runProcess("probe", async (context) => {
  const { config, log, metrics } = context;
  if (config.PROBE_KEY_FILE === undefined) throw new Error("PROBE_KEY_FILE: the file of the API key that the probe uses is required");
  const results: ProbeResult[] = ["ok", "slow", "wrong", "refused", "failed", "unreachable"];
  for (const result of results) metrics.probeRuns.inc({ result }, 0);
  let running: Promise<void> = Promise.resolve();
  const once = async () => {
    const startedAt = performance.now();
    const { result, status } = await probe(context);
    // A probe that the stop has cut says nothing about the service.
    if (context.draining.aborted) return;
    const seconds = (performance.now() - startedAt) / 1000;
    metrics.probeRuns.inc({ result });
    metrics.probeSeconds.observe(seconds);
    if (result === "ok") metrics.probeSuccess.setToCurrentTime();
    else log.warn({ result, status, seconds }, "a probe did not succeed");
  };
  const begin = () => {
    running = once();
  };
  const operations = await startOperations(context, async () => ({}));
  begin();
  const timer = setInterval(begin, config.PROBE_INTERVAL_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
      await operations.stop();
    },
  };
});

async function probe({ config, draining }: ProcessContext): Promise<{ result: ProbeResult; status: number | null }> {
  const [a, b] = [randomInt(1_000, 10_000), randomInt(1_000, 10_000)];
  const startedAt = performance.now();
  let response: Response;
  let text: string;
  try {
    // Read each time, so that a key can be rotated.
    const key = readFileSync(config.PROBE_KEY_FILE as string, "utf8").trim();
    response = await fetch(`${config.PROBE_URL}/v1/executions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ code: `print(${a} * ${b})` }),
      signal: AbortSignal.any([draining, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    text = await response.text();
  } catch {
    return { result: "unreachable", status: null };
  }
  const { status } = response;
  if (status >= 500) return { result: "failed", status };
  if (status >= 400) return { result: "refused", status };
  if (!text.includes(`"${a * b}\\n"`)) return { result: "wrong", status };
  return { result: performance.now() - startedAt > SLOW_MS ? "slow" : "ok", status };
}
