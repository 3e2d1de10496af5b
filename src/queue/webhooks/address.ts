import { type LookupAddress, lookup as resolve } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { type IPv6, IPv6 as Ipv6, parse } from "ipaddr.js";

/** Thrown for a target that is not on the public internet. */
export class AddressRefused extends Error {
  override name = "AddressRefused";
}

/** Global unicast is one block of IPv6. Loopback, mapped IPv4, NAT64, local and multicast addresses lie outside it. */
const GLOBAL_UNICAST = Ipv6.parseCIDR("2000::/3");

/** True for an address of the public internet. False for a name. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const parsed = parse(address);
  return parsed.range() === "unicast" && (family === 4 || (parsed as IPv6).match(GLOBAL_UNICAST));
}

/** Throws for a URL whose host is an address that is not public. Such a host is never looked up. */
export function assertPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefused("the address is not public");
}

/**
 * A lookup for node:http that answers with public addresses only. It checks the address that is connected to, so a name
 * cannot change after the check.
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
