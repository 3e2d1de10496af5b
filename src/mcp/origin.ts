import { localhostAllowedOrigins, validateOriginHeader } from "@modelcontextprotocol/server";

/**
 * Whether a request may come from where its `Origin` header says. Browsers send one with every POST, so this also
 * stops pages whose name was rebound to this address; other clients send none.
 */
export function isOriginAllowed(origin: string | undefined, publicUrl: string | undefined): boolean {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
  return validateOriginHeader(origin, [...localhostAllowedOrigins(), ...own]).ok;
}
