import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { interpreterOf } from "../../src/sandbox/oci/keeper.ts";

/** A Linux kernel as a process with cgroup version 2 alone. It mounts the machine's files read-only. */
const OWN_LINUX = "/usr/bin/linux.uml";
const TIMEOUT_MS = 540_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-own-linux-"));
});
afterAll(() => rm(folder, { recursive: true }));

test(
  "a keeper without root passes test/oci/rootless.test.ts",
  async () => {
    const init = join(folder, "init");
    await writeFile(init, firstProgram(), { mode: 0o755 });
    const kernel = [
      "mem=6G",
      "root=/dev/root",
      "rootfstype=hostfs",
      "ro",
      "quiet",
      `init=${init}`,
      `uml_dir=${folder}`,
      "con=null",
      "con0=null,fd:1",
    ];
    const { stdout, error } = spawnSync(OWN_LINUX, kernel, { encoding: "utf8", timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
    console.info(stdout);
    if (error !== undefined) throw error;
    expect(stdout).toMatch(/Tests .*5 passed/);
    expect(stdout).toContain("ended with 0");
  },
  TIMEOUT_MS + 10_000,
);

function firstProgram(): string {
  const { SANDBOX_ROOTFS: rootfs = "", PATH: path = "" } = process.env;
  const lo = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))";
  return `#!/bin/sh
export PATH="${path}" SANDBOX_ROOTFS="${rootfs}" HOME=/run TMPDIR=/run/tmp CI=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 none /run
mkdir -m 1777 /run/tmp
${interpreterOf(rootfs).join(" ")} -c "${lo}"
cd "${root}"
for cache in node_modules/.vite node_modules/.vite-temp; do [ ! -d $cache ] || mount -t tmpfs none $cache; done
"${process.execPath}" node_modules/vitest/vitest.mjs run --project oci test/oci/rootless.test.ts
echo "ended with $?"
echo o > /proc/sysrq-trigger
sleep infinity
`;
}
