import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchContext, Measure } from "./harness/context.ts";
import { readCpu, spent } from "./harness/cpu.ts";
import { backToBack } from "./harness/load.ts";
import { round, summarize } from "./harness/numbers.ts";
import { summarizeProfile } from "./harness/profile.ts";
import { print } from "./harness/programs.ts";
import { type Launch, startService } from "./harness/service.ts";

const CLIENTS = 32;
const SHOWN = 12;

/** What do HTTP, queue and result cost, with fake sandboxes that complete at once? */
export const measure: Measure = async (context) => {
  const plain = await run(context, null);
  const profileFolder = await mkdtemp(join(tmpdir(), "code-interpreter-profile-"));
  try {
    await run(context, profileFolder);
    const profile = summarizeProfile(profileFolder, SHOWN);
    const shown = profile.modules.map((share) => `${share.name} ${share.percent} %`).join(", ");
    return [
      {
        question: `service without a sandbox, ${CLIENTS} clients back to back`,
        unit: "per second",
        ours: plain.perSecond,
        met: null,
        detail: { ...plain, profile },
        notes: [
          `p50 ${plain.latency.p50} ms, p99 ${plain.latency.p99} ms; cpu of one: service ${plain.cpu.service} ms, redis ${plain.cpu.redis} ms`,
          `own time by module: ${shown}`,
        ],
      },
    ];
  } finally {
    await rm(profileFolder, { recursive: true, force: true });
  }
};

async function run(context: BenchContext, profileFolder: string | null) {
  const service = await startService(context, { launch: launchWithoutSandboxes(profileFolder), env: { LOG_LEVEL: "warn" } });
  try {
    const execute = () => service.client.run(print);
    await backToBack({ clients: CLIENTS, warmUpMs: 0, durationMs: context.pick(4_000, 1_000) }, execute);
    const pids = { service: [service.pids.service], redis: [service.pids.redis] };
    const before = readCpu(pids);
    const rate = await backToBack({ clients: CLIENTS, warmUpMs: 0, durationMs: context.pick(10_000, 3_000) }, execute);
    const used = spent(before, readCpu(pids));
    const each = (name: string) => round((used[name] ?? 0) / rate.ms.length);
    return {
      perSecond: round(rate.perSecond),
      latency: summarize(rate.ms, rate.failures.length),
      cpu: { service: each("service"), redis: each("redis") },
      failures: rate.failures.slice(0, 5),
    };
  } finally {
    await service.stop();
  }
}

function launchWithoutSandboxes(profileFolder: string | null): Launch {
  return ({ root, env, logFile }) => {
    const log = openSync(logFile, "a", 0o600);
    const profiling = profileFolder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`];
    const program = join(root, "dist/for-bench/bench/harness/fake-service.js");
    const child = spawn(process.execPath, [...profiling, program], { stdio: ["ignore", log, log], env, cwd: root });
    closeSync(log);
    return { child, url: `http://${env.HOST}:${env.PORT}` };
  };
}
