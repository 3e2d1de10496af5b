// A caller in the cluster: sends executions one after another through the Service until /tmp/stop is there, each with an
// idempotency key. As a client does, it asks again for what got no answer, and posts again what ended `retry_safe` by our
// fault. What became of them is in /tmp/seen, and in its last line.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const URL = "http://api.code-interpreter/v1/executions";
const EVERY_MS = Number(process.argv[2]);
const ENDS_AFTER_MS = 15 * 60_000;
const TRIES_MAX = 60;
const TRY_AGAIN_MS = 500;
/** Errors of an execution that has ended; any other is of the request alone. */
const ENDED_BY_OUR_FAULT = new Set(["sandbox_lost", "worker_lost"]);
/** Most are short; every fifth is under way for long enough to be met by whatever happens to its worker. */
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
      if (ENDED_BY_OUR_FAULT.has(body.error?.code)) {
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
