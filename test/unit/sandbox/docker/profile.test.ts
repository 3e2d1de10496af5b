import { describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import { containerOptions, DEADLINE_LABEL, SANDBOX_LABEL, SERVICE_LABEL, WORKER_LABEL } from "../../../../src/sandbox/docker/profile.ts";
import { hostTasksMax } from "../../../../src/sandbox/own-kernel.ts";

const given = { image: "sandbox:1", runtime: "runc", seccomp: "{}", limits: makeLimits(), serviceId: "s1", workerId: "w1", deadline: 5 };
const spec = { memoryMb: 256, uid: 40_007, mark: "m1" };
const options = containerOptions(spec, given);

describe("the lockdown", () => {
  test("has the values that SECURITY.md states", () => {
    expect(options.HostConfig).toMatchObject({
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges", "seccomp={}"],
      IpcMode: "private",
      CgroupnsMode: "private",
      PidsLimit: 65,
      Memory: 256 * 1024 * 1024,
      MemorySwap: 256 * 1024 * 1024,
      NanoCpus: 1e9,
      LogConfig: { Type: "none" },
      Init: false,
      AutoRemove: false,
    });
    expect(options.HostConfig?.MaskedPaths).toEqual(expect.arrayContaining(["/proc/kcore", "/proc/keys", "/sys/firmware"]));
    expect(options.HostConfig?.ReadonlyPaths).toEqual(expect.arrayContaining(["/proc/sys", "/proc/sysrq-trigger"]));
  });

  test("with its own kernel limits processes inside, and the kernel's threads above what the code can reach", () => {
    const own = containerOptions(spec, { ...given, runtime: "runsc", seccomp: null }).HostConfig;
    expect(own?.SecurityOpt).toEqual(["no-new-privileges"]);
    expect(own?.Ulimits).toContainEqual({ Name: "nproc", Soft: 64, Hard: 64 });
    expect(own?.PidsLimit).toBe(hostTasksMax(given.limits));
    // The cgroup counts processes.
    expect(options.HostConfig?.Ulimits?.map(({ Name }) => Name)).not.toContain("nproc");
  });

  test("exposes nothing of the host: no bind mount, device, network, variable or capability", () => {
    expect(options.Env).toBeUndefined();
    expect(options.HostConfig).not.toHaveProperty("Binds");
    expect(options.HostConfig).not.toHaveProperty("Devices");
    expect(options.HostConfig).not.toHaveProperty("CapAdd");
    expect(options.HostConfig).not.toHaveProperty("Privileged");
    expect(options.NetworkDisabled).toBe(true);
  });

  test("has only small writable folders, owned by the account that runs", () => {
    expect(options.User).toBe("40007:65532");
    expect(Object.keys(options.HostConfig?.Tmpfs ?? {})).toEqual(["/mnt/data", "/tmp"]);
    for (const mount of Object.values(options.HostConfig?.Tmpfs ?? {}))
      expect(mount).toMatch(/^rw,exec,nosuid,nodev,size=\d+m,nr_inodes=\d+,mode=0700,uid=40007,gid=65532$/);
  });

  test("bounds what the kernel counts beside the cgroup", () => {
    const ulimits = Object.fromEntries((options.HostConfig?.Ulimits ?? []).map(({ Name, Soft, Hard }) => [Name, [Soft, Hard]]));
    expect(ulimits).toMatchObject({ core: [1, 1], sigpending: [1024, 1024], msgqueue: [0, 0] });
  });

  test("ends with its worker's connection, and is found by the reaper", () => {
    expect([options.OpenStdin, options.StdinOnce]).toEqual([true, true]);
    expect(options.Labels).toEqual({ [SERVICE_LABEL]: "s1", [WORKER_LABEL]: "w1", [DEADLINE_LABEL]: "5", [SANDBOX_LABEL]: "m1" });
  });
});
