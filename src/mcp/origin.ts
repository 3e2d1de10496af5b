import { localhostAllowedOrigins, validateOriginHeader } from "@modelcontextprotocol/server";

/**
 * Whether requests from this `Origin` are allowed. Browsers send the header with every POST, so the check also stops DNS
 * rebinding. Other clients do not send it.
 */
export function isOriginAllowed(origin: string | undefined, publicUrl: string | undefined): boolean {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
  return validateOriginHeader(origin, [...localhostAllowedOrigins(), ...own]).ok;
}
