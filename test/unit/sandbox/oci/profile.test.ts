import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import { containerConfig } from "../../../../src/sandbox/oci/profile.ts";
import { hostTasksMax } from "../../../../src/sandbox/own-kernel.ts";

const limits = makeLimits();
const seccomp = { defaultAction: "SCMP_ACT_ERRNO" };
const config = containerConfig(
  { memoryMb: 256, ids: { first: 0x2000_0000, few: false }, cgroupsPath: "/ci/a" },
  { rootfs: "/rootfs", seccomp, limits },
);
const mount = (destination: string) => config.mounts.find((each) => each.destination === destination);

test("the root file system is read-only, and writable folders are sized tmpfs with nodev and nosuid", () => {
  expect(config.root).toEqual({ path: "/rootfs", readonly: true });
  const sizes = { "/mnt/data": limits.workingFolderMbMax, "/tmp": limits.tmpFolderMbMax, "/dev/shm": limits.sharedMemoryMbMax };
  for (const [folder, megabytes] of Object.entries(sizes)) {
    expect(mount(folder)?.type).toBe("tmpfs");
    expect(mount(folder)?.options).toEqual(expect.arrayContaining(["nosuid", "nodev", `size=${megabytes}m`]));
  }
  expect(mount("/sys/fs/cgroup")?.options).toContain("ro");
});

test("all capability sets are empty, no_new_privs is set, and the sandbox's seccomp profile applies", () => {
  expect(Object.values(config.process.capabilities).flat()).toEqual([]);
  expect(Object.keys(config.process.capabilities).sort()).toEqual(["ambient", "bounding", "effective", "inheritable", "permitted"]);
  expect(config.process.noNewPrivileges).toBe(true);
  expect(config.linux.seccomp).toBe(seccomp);
});

test("each sandbox has all namespaces of its own, and maps its ids to a range of host ids", () => {
  expect(config.linux.namespaces.map(({ type }) => type).sort()).toEqual(["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]);
  expect(config.linux.uidMappings).toEqual([{ containerID: 0, hostID: 0x2000_0000, size: 65_536 }]);
  expect(config.linux.gidMappings).toEqual(config.linux.uidMappings);
});

test("a rootless sandbox maps only root and the two accounts that run processes", () => {
  const few = containerConfig(
    { memoryMb: 256, ids: { first: 7, few: true }, cgroupsPath: "/ci/a" },
    { rootfs: "/rootfs", seccomp, limits },
  );
  const mappings = [
    { containerID: 0, hostID: 7, size: 1 },
    { containerID: 65_532, hostID: 8, size: 2 },
  ];
  expect([few.linux.uidMappings, few.linux.gidMappings]).toEqual([mappings, mappings]);
  expect(few.process.user).toEqual({ uid: 65_533, gid: 65_533 });
});

test("without user namespaces, all other namespaces are used", () => {
  const without = containerConfig({ memoryMb: 256, ids: null, cgroupsPath: "/ci/a" }, { rootfs: "/rootfs", seccomp, limits });
  expect(without.linux.namespaces).toHaveLength(6);
  expect(without.linux).not.toHaveProperty("uidMappings");
});

test("limits come from the operator and the execution, and there is no swap", () => {
  const { resources } = config.linux;
  expect(resources.memory).toEqual({ limit: 256 * 2 ** 20, swap: 256 * 2 ** 20, kernelTCP: 32 * 2 ** 20 });
  expect(resources.cpu.quota / resources.cpu.period).toBe(limits.cpuCores);
  expect(resources.pids.limit).toBe(limits.processesMax + 2);
  expect(resources.devices[0]).toEqual({ allow: false, access: "rwm" });
  expect(config.process.rlimits).toContainEqual({ type: "RLIMIT_NOFILE", soft: limits.openFilesMax, hard: limits.openFilesMax });
  expect(config.process.rlimits).toContainEqual({ type: "RLIMIT_CORE", soft: 1, hard: 1 });
});

test("with its own kernel, process 1 is the image's entry point under its account, without a seccomp profile", () => {
  const own = containerConfig(
    { memoryMb: 256, ids: { first: 1, few: false }, cgroupsPath: "/ci/a" },
    { rootfs: "/rootfs", seccomp, limits, ownKernel: true },
  );
  expect(own.process.user).toEqual({ uid: 65_532, gid: 65_532 });
  expect(own.linux).not.toHaveProperty("seccomp");
  expect(own.process.rlimits).toContainEqual({ type: "RLIMIT_NPROC", soft: limits.processesMax, hard: limits.processesMax });
  expect(own.linux.resources.pids.limit).toBe(hostTasksMax(limits));
  const file = readFileSync(new URL("../../../../sandbox-image/Dockerfile", import.meta.url), "utf8");
  const last = file.slice(file.lastIndexOf("\nFROM "));
  const setting = (name: string) => new RegExp(`^${name} (.*)$`, "m").exec(last)?.[1] ?? "";
  expect(own.process.args).toEqual(JSON.parse(setting("ENTRYPOINT")));
  expect(own.process.env).toEqual(setting("ENV").split(" "));
  expect(`${own.process.user.uid}:${own.process.user.gid}`).toBe(setting("USER"));
  expect(own.process.cwd).toBe(setting("WORKDIR"));
});
