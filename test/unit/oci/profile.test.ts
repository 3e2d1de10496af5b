import { expect, test } from "vitest";
import { makeLimits } from "../../../src/limits.ts";
import { containerConfig } from "../../../src/oci/profile.ts";

const limits = makeLimits();
const seccomp = { defaultAction: "SCMP_ACT_ERRNO" };
const config = containerConfig({ memoryMb: 256, firstHostId: 0x2000_0000, cgroupsPath: "/ci/a" }, { rootfs: "/rootfs", seccomp, limits });
const mount = (destination: string) => config.mounts.find((each) => each.destination === destination);

test("the root file system is read-only, and what can be written is sized tmpfs without devices or raised privileges", () => {
  expect(config.root).toEqual({ path: "/rootfs", readonly: true });
  const sizes = { "/mnt/data": limits.workingFolderMbMax, "/tmp": limits.tmpFolderMbMax, "/dev/shm": limits.sharedMemoryMbMax };
  for (const [folder, megabytes] of Object.entries(sizes)) {
    expect(mount(folder)?.type).toBe("tmpfs");
    expect(mount(folder)?.options).toEqual(expect.arrayContaining(["nosuid", "nodev", `size=${megabytes}m`]));
  }
  expect(mount("/sys/fs/cgroup")?.options).toContain("ro");
});

test("no set has a capability, none can be gained, and the list of system calls is the sandbox's", () => {
  expect(Object.values(config.process.capabilities).flat()).toEqual([]);
  expect(Object.keys(config.process.capabilities).sort()).toEqual(["ambient", "bounding", "effective", "inheritable", "permitted"]);
  expect(config.process.noNewPrivileges).toBe(true);
  expect(config.linux.seccomp).toBe(seccomp);
});

test("all namespaces are its own, ids of the host stand behind a range", () => {
  expect(config.linux.namespaces.map(({ type }) => type).sort()).toEqual(["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]);
  expect(config.linux.uidMappings).toEqual([{ containerID: 0, hostID: 0x2000_0000, size: 65_536 }]);
  expect(config.linux.gidMappings).toEqual(config.linux.uidMappings);
});

test("a kernel without user namespaces gets all others", () => {
  const without = containerConfig({ memoryMb: 256, firstHostId: null, cgroupsPath: "/ci/a" }, { rootfs: "/rootfs", seccomp, limits });
  expect(without.linux.namespaces).toHaveLength(6);
  expect(without.linux).not.toHaveProperty("uidMappings");
});

test("limits are the operator's and the execution's; swap is none", () => {
  const { resources } = config.linux;
  expect(resources.memory).toEqual({ limit: 256 * 2 ** 20, swap: 256 * 2 ** 20 });
  expect(resources.cpu.quota / resources.cpu.period).toBe(limits.cpuCores);
  expect(resources.pids.limit).toBe(limits.processesMax + 1);
  expect(resources.devices[0]).toEqual({ allow: false, access: "rwm" });
  expect(config.process.rlimits).toContainEqual({ type: "RLIMIT_NOFILE", soft: limits.openFilesMax, hard: limits.openFilesMax });
  expect(config.process.rlimits).toContainEqual({ type: "RLIMIT_CORE", soft: 0, hard: 0 });
});
