import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EngineUnderTest, startEngine, underOci } from "../support/sandboxes/engine.ts";
import { attackers, neighbour } from "./attackers.ts";

const hostProbe = fileURLToPath(new URL("host-probe.py", import.meta.url));
/** What the sockets of one sandbox may hold, with the buffers that the limit lets grow once more. */
const SOCKET_BYTES_MAX = 96 * 1024 * 1024;

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({ poolSize: 2 });
});
afterAll(() => under.close());

/** SECURITY.md names it: Docker's runtimes do not limit socket memory with cgroup v1. */
const stillOpen = (name: string) => !underOci && existsSync("/sys/fs/cgroup/memory") && name === "socket memory";

describe.each(attackers)("a sandbox that takes all $name", ({ name, code }) => {
  const expected = stillOpen(name) ? test.fails : test;
  expected("is not felt by its neighbour and not by the host", async () => {
    const stop = new AbortController();
    let printed = "";
    const holding = new Promise<void>((resolve, reject) => {
      const attack = under.run(code, {
        stop: stop.signal,
        onEmit: (output) => {
          if (output.type === "text") printed += output.text;
          if (printed.includes("holding")) resolve();
        },
      });
      attack.then(({ end }) => reject(new Error(`the attack ended ${end.status} (${end.cause}) after ${JSON.stringify(printed)}`)), reject);
      attacks.push(attack);
    });
    await holding;
    try {
      const bytes = /^bytes (\d+)$/m.exec(printed)?.[1];
      if (bytes !== undefined) expect(Number(bytes)).toBeLessThan(SOCKET_BYTES_MAX);
      const { end, text } = await under.run(neighbour);
      expect([end.status, text()]).toEqual(["completed", "all there"]);
      expect(execFileSync("python3", [hostProbe], { encoding: "utf8" })).toBe("all made\n");
    } finally {
      stop.abort("cancelled");
    }
  });
});

const attacks: Promise<unknown>[] = [];
