import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const scripts = async (name: string) => import(new URL(`../../../scripts/supply/${name}.mjs`, import.meta.url).href);
const { readLicences, refused } = await scripts("licences");
const { imageSbom, serviceSbom } = await scripts("sbom");
const root = fileURLToPath(new URL("../../..", import.meta.url));

test("every package in the lockfile has a licence that is on the list", () => {
  const found = readLicences(root);
  expect(found.length).toBeGreaterThan(100);
  expect(refused(found)).toEqual([]);
});

test("a licence that is not on the list is refused, of alternatives one is enough, and all of a conjunction are needed", () => {
  const refusedOf = (licence: string) => refused([{ name: "x", licence }]).length;
  expect(["MIT", "(MIT OR GPL-3.0)", "MIT AND ISC"].map(refusedOf)).toEqual([0, 0, 0]);
  expect(["GPL-3.0", "unknown", "MIT AND GPL-3.0", "SEE LICENSE IN x"].map(refusedOf)).toEqual([1, 1, 1, 1]);
});

test("the image's bill of materials names what dpkg has installed, and nothing it has removed", () => {
  const package_ = (name: string, state: string) => `Package: ${name}\nStatus: ${state}\nArchitecture: amd64\nVersion: 1:2.0+b1`;
  const status = [
    package_("python3", "install ok installed"),
    package_("gone", "deinstall ok config-files"),
    package_("libc6", "hold ok installed"),
  ].join("\n\n");
  const { components, ...rest } = imageSbom({ name: "sandbox:1", digest: `sha256:${"a".repeat(64)}`, status, now: new Date(0) });
  expect(components.map(({ purl }: { purl: string }) => purl)).toEqual([
    "pkg:deb/debian/libc6@1%3A2.0%2Bb1?arch=amd64",
    "pkg:deb/debian/python3@1%3A2.0%2Bb1?arch=amd64",
  ]);
  expect(rest).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5", metadata: { component: { hashes: [{ alg: "SHA-256" }] } } });
});

test("the service's bill of materials has every package of the service, and none that only tests use", { timeout: 60_000 }, () => {
  const { bomFormat, components, dependencies } = serviceSbom(root);
  const names = components.map(({ name }: { name: string }) => name);
  const { dependencies: direct } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  expect(bomFormat).toBe("CycloneDX");
  expect(names).toEqual(expect.arrayContaining(Object.keys(direct)));
  expect(names).not.toContain("vitest");
  expect(dependencies.length).toBe(components.length + 1);
});
