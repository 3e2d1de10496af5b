import { type LookupAddress, lookup as resolve } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

/** Thrown for a target that is not on the public internet. */
export class AddressRefused extends Error {
  override name = "AddressRefused";
}

/** Global unicast addresses of IPv6. Excludes loopback, mapped IPv4, NAT64, local and multicast addresses. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/** True for an address of the public internet. False for a name. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const parsed = ipaddr.parse(address);
  return parsed.range() === "unicast" && (family === 4 || (parsed as ipaddr.IPv6).match(GLOBAL_UNICAST));
}

/**
 * Throws when the host of a URL is a non-public address. Addresses are never looked up, so `lookupPublic` misses them.
 */
export function assertPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefused("the address is not public");
}

/**
 * A lookup for node:http that returns only public addresses. The checked address is the one that is connected to, so
 * DNS rebinding has no effect.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return callback(error, "", 0);
    const allowed = addresses.filter(({ address }) => isPublicAddress(address));
    const [first] = allowed;
    if (first === undefined) return callback(new AddressRefused("the name has no public address"), "", 0);
    if (options.all === true) return callback(null, allowed);
    callback(null, first.address, first.family);
  });
};
