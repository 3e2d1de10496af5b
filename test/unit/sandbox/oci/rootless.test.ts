import { expect, test } from "vitest";
import { delegatedGroup, subordinateIds, userNamespaceLacks } from "../../../../src/sandbox/oci/rootless.ts";

test("an account's ids come from its first line, found by name or number", () => {
  const text = "# a comment\nother:100000:65536\nci:200000:4096\nci:900000:65536\n1001:300000:128\n";
  expect(subordinateIds(text, "ci", 1000)).toBe(4096);
  expect(subordinateIds(text, "nameless", 1001)).toBe(128);
  expect(subordinateIds(text, "nobody", 65_534)).toBe(0);
  expect(subordinateIds("", "ci", 1000)).toBe(0);
});

test("the delegated group is the one that the process started in, even after a keeper moved it one level down", () => {
  expect(delegatedGroup("0::/system.slice/ci.service\n")).toBe("/system.slice/ci.service");
  expect(delegatedGroup("0::/system.slice/ci.service/service\n")).toBe("/system.slice/ci.service");
});

test("there is no delegated group where cgroup version 1 is mounted", () => {
  expect(delegatedGroup("5:memory:/ci\n0::/ci\n")).toBeNull();
  expect(delegatedGroup("5:memory:/ci\n")).toBeNull();
});

test("kernel settings that forbid user namespaces are reported", () => {
  const kernel = (settings: Record<string, string>) => (path: string) =>
    settings[path.split("/").at(-1) as string] ?? (path.endsWith("max_user_namespaces") ? "1000\n" : "");
  expect(userNamespaceLacks(kernel({}))).toEqual([]);
  expect(userNamespaceLacks(kernel({ unprivileged_userns_clone: "1\n", apparmor_restrict_unprivileged_userns: "0\n" }))).toEqual([]);
  const forbidding: Array<Record<string, string>> = [
    { max_user_namespaces: "0\n" },
    { unprivileged_userns_clone: "0\n" },
    { apparmor_restrict_unprivileged_userns: "1\n" },
  ];
  for (const settings of forbidding) expect(userNamespaceLacks(kernel(settings))).toHaveLength(1);
});
