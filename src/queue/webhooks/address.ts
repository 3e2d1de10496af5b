import { type LookupAddress, lookup as resolve } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Thrown for a target that is not on the public internet. */
export class AddressRefused extends Error {
  override name = "AddressRefused";
}

const refused4 = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT, where clouds keep services of their own
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local, with the metadata services
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.88.99.0", 24], // 6to4 relays
  ["192.168.0.0", 16], // private
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, and broadcast
] as const) {
  refused4.addSubnet(network, bits, "ipv4");
}

// Global unicast is one block of IPv6; what is not in it (loopback, mapped IPv4, NAT64, local, multicast) is refused whole.
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");
const refused6 = new BlockList();
for (const [network, bits] of [
  ["2001::", 23], // Teredo and other protocol assignments
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4 carries any IPv4 address
  ["3fff::", 20], // documentation
] as const) {
  refused6.addSubnet(network, bits, "ipv6");
}

/** True for an address of the public internet. Not for a name. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !refused4.check(address, "ipv4");
  if (family === 6) return global6.check(address, "ipv6") && !refused6.check(address, "ipv6");
  return false;
}

/** Throws for a URL whose host is itself an address that is refused; such a host is never looked up. */
export function assertPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefused("the address is not public");
}

/** A lookup for node:http that answers public addresses only. The check is on what is connected to, so a name can not change after it. */
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
