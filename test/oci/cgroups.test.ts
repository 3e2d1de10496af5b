import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { interpreterOf } from "../../src/sandbox/oci/keeper.ts";

/** A machine has one version of control groups, or both; what is read of them is asked here about all three. */
const keeper = fileURLToPath(new URL("../../keeper", import.meta.url));
const [python, ...options] = interpreterOf(process.env.SANDBOX_ROOTFS ?? "");
const ask = (expression: string, ...values: unknown[]) => {
  const program = `import sys, json; sys.path[:0] = [${JSON.stringify(keeper)}]; import cgroups; a = json.loads(sys.argv[1]); print(json.dumps(${expression}))`;
  return JSON.parse(execFileSync(python as string, [...options, "-c", program, JSON.stringify(values)], { encoding: "utf8" }));
};

const one =
  "30 24 0:26 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
const two = "29 24 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const mixed = `${one}32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;

test("the cgroups of a process are found with version 1, 2 and both", () => {
  const folders = "cgroups.group_folders(cgroups.mount_points(a[0]), a[1])";
  expect(ask(folders, two, "0::/code-interpreter/ab\n")).toEqual({ "": "/sys/fs/cgroup/code-interpreter/ab" });
  expect(ask(folders, one, "5:memory:/c/ab\n4:cpu,cpuacct:/c/ab\n0::/\n")).toEqual({
    memory: "/sys/fs/cgroup/memory/c/ab",
    "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/c/ab",
  });
  expect(ask(folders, mixed, "5:memory:/c/ab\n0::/user.slice\n")).toEqual({
    memory: "/sys/fs/cgroup/memory/c/ab",
    "": "/sys/fs/cgroup/unified/user.slice",
  });
});

test("in a container the cgroups are searched below the container's own, which is mounted there", () => {
  const own = "30 24 0:26 /pods/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  expect(ask("cgroups.group_folders(cgroups.mount_points(a[0]), a[1])", own, "5:memory:/pods/7/c/ab\n")).toEqual({
    memory: "/sys/fs/cgroup/memory/c/ab",
  });
});

test("with version 2 a container's own cgroup delegates its controllers, and the machine's root is unchanged", () => {
  const top = join(folder, "top");
  mkdirSync(top);
  for (const [name, text] of [
    ["cgroup.procs", ""],
    ["cgroup.controllers", "cpuset cpu io memory pids"],
    ["cgroup.subtree_control", ""],
  ])
    writeFileSync(join(top, name as string), text as string);
  ask("cgroups.make_room(a[0])", top);
  expect(readFileSync(join(top, "cgroup.subtree_control"), "utf8")).toBe("");
  writeFileSync(join(top, "cgroup.type"), "domain");
  ask("cgroups.make_room(a[0])", top);
  expect(readFileSync(join(top, "cgroup.subtree_control"), "utf8")).toBe("+cpu +memory +pids");
  expect(existsSync(join(top, "service"))).toBe(true);
});

test("of two hierarchies mounted at one place the upper one is used", () => {
  const delegated = `${two}40 29 0:25 /user.slice/ci /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n`;
  expect(ask("cgroups.group_folders(cgroups.mount_points(a[0]), a[1])", delegated, "0::/user.slice/ci/c/ab\n")).toEqual({
    "": "/sys/fs/cgroup/c/ab",
  });
});

test("with version 2 a keeper ends if a controller for a limit is missing", () => {
  const top = join(folder, "poor");
  mkdirSync(top);
  for (const [name, text] of [
    ["cgroup.type", "domain"],
    ["cgroup.procs", ""],
    ["cgroup.controllers", "cpuset memory"],
  ])
    writeFileSync(join(top, name as string), text as string);
  expect(() => ask("cgroups.make_room(a[0])", top)).toThrow("the group that this keeper is in has no cpu, pids");
});

test("missing limits of a cgroup are named; a kernel without swap needs no swap limit", () => {
  const group = join(folder, "limits");
  mkdirSync(group);
  const write = (name: string, text: string) => writeFileSync(join(group, name), text);
  write("cpu.max", "100000 100000\n");
  write("memory.max", "max\n");
  expect(ask("cgroups.unlimited(a[0])", { "": group })).toEqual(["memory.max", "pids.max"]);
  write("memory.max", "536870912\n");
  write("memory.swap.max", "max\n");
  write("pids.max", "65\n");
  expect(ask("cgroups.unlimited(a[0])", { "": group })).toEqual(["memory.swap.max"]);
  write("memory.swap.max", "0\n");
  expect(ask("cgroups.unlimited(a[0])", { "": group })).toEqual([]);
});

const folder = mkdtempSync(join(tmpdir(), "ci-groups-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("OOM kills are counted with either version, and a removed cgroup counts none", () => {
  for (const name of ["v1", "v2"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "v1/memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  writeFileSync(join(folder, "v2/memory.events"), "low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n");
  expect(ask("cgroups.oom_kills(a[0])", { memory: join(folder, "v1") })).toBe(3);
  expect(ask("cgroups.oom_kills(a[0])", { "": join(folder, "v2") })).toBe(2);
  expect(ask("cgroups.oom_kills(a[0])", { "": join(folder, "gone") })).toBe(0);
});
