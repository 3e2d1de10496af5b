// A caller in the cluster: sends executions one after another through the Service until /tmp/stop is there, each with an
// idempotency key, and asks again for what got no answer, as a client does. Its last line says what became of each.
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const URL = "http://api.code-interpreter/v1/executions";
const EVERY_MS = 400;
const ENDS_AFTER_MS = 15 * 60_000;
const TRIES_MAX = 60;
const TRY_AGAIN_MS = 500;
/** Most are short; every fifth is under way for long enough to be met by whatever happens to its worker. */
const sleepS = (number) => (number % 5 === 0 ? 6 : 0.2);

const seen = { sent: 0, right: 0, asked_again: 0, ran_again: 0, wrong: [] };
const began = Date.now();
const waiting = [];
while (!existsSync("/tmp/stop") && Date.now() - began < ENDS_AFTER_MS) {
  waiting.push(send(seen.sent++));
  if (seen.sent % 25 === 0) console.log(`sent ${seen.sent}, right ${seen.right}, asked again ${seen.asked_again}`);
  await pause(EVERY_MS);
}
await Promise.all(waiting);
console.log(JSON.stringify(seen));

async function send(number) {
  const code = `import time\ntime.sleep(${sleepS(number)})\nprint(${number} ** 2)`;
  let last = "";
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
          "idempotency-key": `${began}-${number}`,
        },
        body: JSON.stringify({ code }),
        signal: AbortSignal.timeout(120_000),
      });
      const body = await response.json();
      last = `HTTP ${response.status}, status ${body.status ?? body.code}, cause ${body.cause}`;
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
