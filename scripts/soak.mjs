import { spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { giveUp, SetupError } from "./setup/say.mjs";
import { dataFolderOf, root, setup } from "./setup.mjs";

const help = `Runs mixed load, honest and hostile, while faults are injected: npm run soak

  npm run soak -- --minutes 10    duration (default: 10); running executions then end first
      --seed 7                    seed of programs, organizations and faults (default: 1)

Ends with a report. Exit code 0: every accepted execution ended once, nothing is left, memory does not grow.`;

async function main() {
  const options = {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h" },
  };
  const { values } = parseArgs({ options });
  if (values.help) return console.log(help);
  const minutes = number("minutes", values.minutes);
  const seed = number("seed", values.seed);
  const made = await setup({ dataFolder: dataFolderOf(process.env) });
  const env = { ...process.env, SANDBOX_IMAGE: made.image, DOCKER_HOST: made.host, SOAK_MINUTES: String(minutes), SOAK_SEED: String(seed) };
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", "--project", "soak", "--disable-console-intercept"], {
    cwd: root,
    env,
    stdio: "inherit",
  });
  process.exitCode = await new Promise((resolve) => child.on("close", (code) => resolve(code ?? 1)));
}

function number(name, text) {
  const value = Number(text);
  if (!(value > 0)) throw new SetupError(`--${name}: must be a number above 0 (is ${text})`);
  return value;
}

await main().catch(giveUp);
