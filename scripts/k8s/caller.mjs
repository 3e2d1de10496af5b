// A caller in the cluster: sends executions through the Service until /tmp/stop exists, each with an idempotency key. Like a
// client it retries a request without a response, and posts again an execution that failed in the service with `retry_safe`.
// Its counts are in /tmp/seen and in its last line of output.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const URL = "http://api.code-interpreter/v1/executions";
const EVERY_MS = Number(process.argv[2]);
const ENDS_AFTER_MS = 15 * 60_000;
const TRIES_MAX = 60;
const TRY_AGAIN_MS = 500;
/** Codes of an execution that has ended. Other codes concern only the request. */
const ENDED_BY_SERVICE = new Set(["sandbox_lost", "worker_lost"]);
/** Every fifth execution runs long enough to be hit by a fault of its worker. */
const sleepS = (number) => (number % 5 === 0 ? 6 : 0.2);

const seen = { sent: 0, right: 0, asked_again: 0, ran_again: 0, posted_again: [], wrong: [] };
const began = Date.now();
const waiting = [];
while (!existsSync("/tmp/stop") && Date.now() - began < ENDS_AFTER_MS) {
  waiting.push(send(seen.sent++));
  writeFileSync("/tmp/seen", JSON.stringify(seen));
  await pause(EVERY_MS);
}
await Promise.all(waiting);
console.log(JSON.stringify(seen));

async function send(number) {
  const code = `import time\ntime.sleep(${sleepS(number)})\nprint(${number} ** 2)`;
  let last = "";
  let posts = 1;
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    if (attempt > 0) {
      seen.asked_again++;
      await pause(TRY_AGAIN_MS);
    }
    try {
      const response = await fetch(URL, {
        method: "POST",
        headers: {
          authorization: `Bearer ${process.env.CODE_INTERPRETER_KEY}`,
          "content-type": "application/json",
          "idempotency-key": `${began}-${number}-${posts}`,
        },
        body: JSON.stringify({ code }),
        signal: AbortSignal.timeout(120_000),
      });
      const body = await response.json();
      last = `HTTP ${response.status} ${body.error?.code ?? body.code ?? body.status}`;
      if (ENDED_BY_SERVICE.has(body.error?.code)) {
        seen.posted_again.push(`${number}: ${body.error.code}`);
        posts++;
        continue;
      }
      if (response.status === 429 || response.status >= 500) continue;
      if (body.attempt > 1) seen.ran_again++;
      if (body.status === "completed" && body.outputs[0]?.text === String(number ** 2)) seen.right++;
      else seen.wrong.push(`${number}: ${last}`);
      return;
    } catch (error) {
      last = error.cause?.code ?? error.message;
    }
  }
  seen.wrong.push(`${number}: ${last}`);
}
