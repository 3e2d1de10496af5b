import { describe, expect, test } from "vitest";
import { AddressRefused, assertPublicHost, isPublicAddress, lookupPublic } from "../../../../src/queue/webhooks/address.ts";

const refused = [
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "100.127.255.255",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.1",
  "192.0.2.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.19.255.255",
  "198.51.100.7",
  "203.0.113.7",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "100::1",
  "fc00::1",
  "fd12:3456::1",
  "fe80::1",
  "fec0::1",
  "ff02::1",
  "2001::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "localhost",
  "",
];
const allowed = [
  "1.1.1.1",
  "8.8.8.8",
  "100.63.255.255",
  "100.128.0.1",
  "172.15.0.1",
  "172.32.0.1",
  "198.20.0.1",
  "2606:4700::1111",
  "2a00:1450:4001::200e",
];

describe("a webhook's address", () => {
  test.each(refused)("%j is not public", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(allowed)("%j is public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://127.1/",
  ])("%s is refused before anything is looked up", (url) => {
    expect(() => assertPublicHost(new URL(url))).toThrow(AddressRefused);
  });

  test("is refused when a name leads to loopback only, whichever way the lookup is asked", async () => {
    for (const all of [true, false]) {
      const error = await new Promise((resolve) => lookupPublic("localhost", { all }, (reason) => resolve(reason)));
      expect(error).toBeInstanceOf(AddressRefused);
    }
  });
});
